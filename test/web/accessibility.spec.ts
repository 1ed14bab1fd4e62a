import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expectStatus, numbered } from '../support/avatar-client.js';
import { encoded, painted, reference } from '../support/pictures.js';
import { needs } from '../support/tools.js';
import type { Application } from './support/application.js';
import { Editor } from './support/editor.js';
import { Scene } from './support/scene.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The rule for WCAG 2.2, SC 2.5.8 is off by default. */
const RULES: RunOptions = {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  rules: { 'target-size': { enabled: true } },
};

const ID = 'accessible';
const ATTRIBUTES = `ticket-url="/${ID}/ticket" avatar-id="${ID}" may="upload remove restore"`;

needs('chromium')('<visage-avatar-upload> for people with disabilities', () => {
  let scene: Scene;
  let application: Application;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let editor: Editor;

  beforeAll(async () => {
    scene = await Scene.open();
    ({ application, browser } = scene);
    application.terms = { may: ['upload', 'remove', 'restore'] };
    expectStatus(201, await application.client(ID).upload(await numbered(1)));
  });
  afterAll(() => scene.close());

  const open = async (width: number) => {
    // The policy would keep axe out.
    context = await browser.newContext({ viewport: { width, height: 800 }, bypassCSP: true });
    page = await context.newPage();
    editor = new Editor(page);
    await page.goto(application.page(ID, { attributes: ATTRIBUTES, html: '<h1>Profile</h1>{}' }));
    await page.evaluate(AXE);
  };
  afterEach(() => context.close());

  const picture = () => encoded(painted(800, 600, reference(800, 600)), 'png');

  /** What axe finds. */
  const violations = async () => {
    const results = await page.evaluate<AxeResults, RunOptions>(
      (rules) => (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run(rules),
      RULES,
    );
    expect(results.passes.map(({ id }) => id)).toContain('target-size');
    return results.violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]);
  };

  /** Answers the next upload when it is told to. */
  const holdUpload = async () => {
    let answer = (): void => undefined;
    const told = new Promise<void>((resolve) => (answer = resolve));
    await page.route(`**/v1/avatars/${ID}?crop*`, async (route) => {
      await told;
      const problem = { code: 'avatar_locked', reason: 'It comes from the directory.' };
      const headers = { 'Access-Control-Allow-Origin': '*' };
      await route.fulfill({
        status: 423,
        headers,
        contentType: 'application/problem+json',
        body: JSON.stringify(problem),
      });
    });
    return answer;
  };

  it.each([1280, 320])('breaks no rule of WCAG 2.2 AA in any state, %i px wide', async (width) => {
    await open(width);
    await editor.button('Choose a picture').waitFor();
    expect(['empty', await violations()]).toEqual(['empty', []]);
    await editor.press('Earlier pictures');
    await editor.element.locator('button.version').first().waitFor();
    expect(['earlier', await violations()]).toEqual(['earlier', []]);
    await editor.choose(await picture());
    expect(['framing', await violations()]).toEqual(['framing', []]);
    const answer = await holdUpload();
    await editor.press('Save');
    await editor.button('Cancel').waitFor();
    expect(['uploading', await violations()]).toEqual(['uploading', []]);
    answer();
    expect(await editor.error()).toBe('This picture can’t be changed. It comes from the directory.');
    expect(['error', await violations()]).toEqual(['error', []]);
    await page.unrouteAll();
    await editor.save();
    expect(['done', await violations()]).toEqual(['done', []]);
    // Nothing has to be scrolled sideways: WCAG 2.2, SC 1.4.10.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
  });

  it('has a name and a role for everything, and says what happens', async () => {
    await open(1280);
    await editor.button('Choose a picture').waitFor();
    expect(await editor.element.ariaSnapshot()).toBe(
      [
        '- img "Current picture"',
        '- button "Choose a picture"',
        '- button "Remove"',
        '- button "Earlier pictures"',
        '- paragraph: Or drop it here, or paste it.',
        '- paragraph: JPEG, PNG, WebP or GIF',
        '- status',
      ].join('\n'),
    );
    await editor.choose(await picture());
    expect(await editor.element.ariaSnapshot()).toBe(
      [
        '- application "Part of the picture. The arrow keys move the picture, plus and minus zoom."',
        '- button "Zoom out": −',
        '- slider "Zoom": "0"',
        '- button "Zoom in": +',
        '- button "Move the picture left": ←',
        '- button "Move the picture up": ↑',
        '- button "Move the picture down": ↓',
        '- button "Move the picture right": →',
        '- button "Turn clockwise": ↻',
        '- button "Reset"',
        '- paragraph: This is how it will look',
        '- text: Description for people who can’t see it',
        '- textbox "Description for people who can’t see it"',
        '- button "Save"',
        '- button "Choose another picture"',
        '- button "Cancel"',
        '- status: The picture is open. Choose the part to show.',
      ].join('\n'),
    );
  });

  it('can be used with keys alone, in the order in which it is read', async () => {
    await open(1280);
    await editor.choose(await picture());
    const focused = () =>
      editor.element.evaluate((element) => {
        const focus = element.shadowRoot?.activeElement;
        return focus?.ariaLabel ?? focus?.textContent.trim() ?? '';
      });
    const names = [await focused()];
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab');
      names.push(await focused());
    }
    expect(names).toEqual([
      'Part of the picture. The arrow keys move the picture, plus and minus zoom.',
      'Zoom out',
      'Zoom',
      'Zoom in',
      'Move the picture left',
      'Move the picture up',
      'Move the picture down',
      'Move the picture right',
      'Turn clockwise',
      'Reset',
      '',
      'Save',
      'Choose another picture',
    ]);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await editor.status('Your picture is saved.');
    expect(await focused()).toBe('Choose a picture');
  });
});
