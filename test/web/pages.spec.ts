import type { Browser, BrowserContext, Page } from 'playwright-core';
import { problemOf, send } from '../http/support/client.js';
import { bearer, item } from '../support/api-keys.js';
import { expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { encoded, painted, reference } from '../support/pictures.js';
import { type RunningService, startService } from '../support/service.js';
import { type TicketTerms, forgeTicket } from '../support/tickets.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import type { Application } from './support/application.js';
import { Editor, type Faults, collectFaults } from './support/editor.js';
import { Scene } from './support/scene.js';

const FRAMING = 'https://app.example.com';

needs('chromium')('the pages of Visage', () => {
  let scene: Scene;
  let service: RunningService;
  let application: Application;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let faults: Faults;
  /** Every URL that was asked for. */
  let asked: string[];

  beforeAll(async () => {
    scene = await Scene.open();
    ({ service, application, browser } = scene);
  });
  afterAll(() => scene.close());

  beforeEach(async () => {
    context = await browser.newContext({ locale: 'en' });
    asked = [];
    context.on('request', (request) => asked.push(request.url()));
    page = await context.newPage();
    faults = await collectFaults(page);
  });
  afterEach(async () => {
    expect(faults.list).toEqual([]);
    await context.close();
  });

  const client = (id: string) => application.client(id);
  const picture = () => encoded(painted(80, 60, reference(80, 60)), 'png');
  const versionOf = async (id: string) =>
    (jsonOf(expectStatus(200, await client(id).get('/info'))) as { version: string }).version;

  const link = (fields: Record<string, string>) =>
    `${service.url}/ui/edit#${new URLSearchParams(fields).toString()}`;

  /** Has a page open the editor, and collects the messages that it gets. */
  const openPopup = async (from: string, url: string) => {
    await page.goto(from);
    const opened = context.waitForEvent('page');
    await page.evaluate((address) => {
      const got = ((window as unknown as { got: unknown[] }).got = []) as unknown[];
      addEventListener('message', ({ data, origin }) => got.push([origin, data]));
      window.open(address);
    }, url);
    return opened;
  };
  const messages = () => page.evaluate(() => (window as unknown as { got: unknown[] }).got);

  describe('/ui/edit', () => {
    it('as a popup, tells the page that opened it of the new picture, and closes', async () => {
      const ticket = await application.ticketFor('popup');
      const popup = await openPopup(application.page('popup'), link({ ticket }));
      const editor = new Editor(popup);
      await editor.choose(await picture());
      await editor.press('Save');
      await until(async () => (await messages()).length > 0);
      const version = await versionOf('popup');
      expect(await messages()).toEqual([
        [
          service.url,
          { type: 'visage-change', id: 'popup', answer: expect.objectContaining({ version }) as unknown },
        ],
      ]);
      await until(() => popup.isClosed());
      // The ticket is in no URL that was asked for, and so in no log of anybody.
      expect(asked.filter((url) => url.split('#')[0]?.includes(ticket))).toEqual([]);
      expect(service.log()).not.toContain(ticket);
    });

    it('tells a page of another origin nothing, nor anybody if the ticket has no origin', async () => {
      const elsewhere = application.page('third').replace('127.0.0.1', 'localhost');
      for (const [i, terms] of [{}, { origin: undefined } as unknown as TicketTerms].entries()) {
        const popup = await openPopup(
          elsewhere,
          link({ ticket: await application.ticketFor('third', terms) }),
        );
        const editor = new Editor(popup);
        await editor.choose(await numbered(i));
        await editor.press('Save');
        await until(() => popup.isClosed());
        expect((await client('third').get()).status).toBe(200);
        // A message that was sent would be there by now: it comes before this one.
        await page.evaluate(() => {
          postMessage('last');
        });
        await until(async () => (await messages()).length > 0);
        expect(await messages()).toEqual([[new URL(elsewhere).origin, 'last']]);
      }
    });

    it('goes back to the application with the new version', async () => {
      const back = application.page('redirect', { tab: 'picture' });
      await page.goto(link({ ticket: await application.ticketFor('redirect'), return_to: back, lang: 'de' }));
      expect(await page.title()).toBe('Dein Bild');
      const editor = new Editor(page);
      await editor.choose(await picture());
      await editor.press('Speichern');
      await page.waitForURL('**/redirect?*');
      const { searchParams } = new URL(page.url());
      expect([searchParams.get('tab'), searchParams.get('version')]).toEqual([
        'picture',
        await versionOf('redirect'),
      ]);
      expect(await page.evaluate('document.referrer')).toBe('');
    });

    it.each([
      ['to another origin', 'https://evil.example/'],
      ['to a script', 'javascript:alert(1)'],
      ['to another port', 'http://127.0.0.1:1/'],
      ['to nowhere', '/relative'],
    ])('refuses to lead %s', async (_, elsewhere) => {
      const told: string[] = [];
      page.on('console', (message) => told.push(message.text()));
      await page.goto(link({ ticket: await application.ticketFor('refused'), return_to: elsewhere }));
      await page.getByRole('status').filter({ hasText: 'This link can’t be used.' }).waitFor();
      expect(await page.locator('visage-avatar-upload').count()).toBe(0);
      expect(told.join()).toMatch(/return_to|URL/);
    });

    it('refuses a ticket that is none, and does not do what one says that was made up', async () => {
      await page.goto(link({ ticket: 'nonsense' }));
      await page.getByRole('status').filter({ hasText: 'This link can’t be used.' }).waitFor();
      const key = 'another-secret-of-thirty-two-characters';
      const forged = await forgeTicket('forged', { key, claims: { origin: application.origin } });
      // Another link in the same tab.
      await page.goto(link({ ticket: forged, return_to: application.page('forged') }));
      const editor = new Editor(page);
      await editor.choose(await picture());
      await editor.press('Save');
      expect(await editor.error()).toMatch(/^You can’t change this picture/);
      expect(page.url()).toContain('/ui/edit#');
    });

    it('removes a picture as well, and says so if there is nowhere to go', async () => {
      expectStatus(201, await client('remove').upload(await numbered(1)));
      await page.goto(link({ ticket: await application.ticketFor('remove', { may: ['remove'] }) }));
      const editor = new Editor(page);
      await editor.press('Remove');
      await editor.press('Really remove?');
      await page
        .getByRole('status')
        .filter({ hasText: 'Your picture is removed. You can close this page.' })
        .waitFor();
      expect((await client('remove').get()).status).toBe(404);
    });

    it('may be framed by the pages of EDITOR_FRAME_ANCESTORS only', async () => {
      const policyOf = async ({ url }: RunningService) =>
        (await send(url, { path: '/ui/edit' })).headers['content-security-policy'];
      expect(await policyOf(service)).toMatch(/; frame-ancestors 'none';/);
      const environment = {
        ...(await local.environment()),
        NODE_ENV: 'production',
        API_KEYS: item('app', 'write'),
      };
      const other = await startService({
        ...environment,
        EDITOR_FRAME_ANCESTORS: `${FRAMING}, https://*.example.org`,
      });
      expect(await policyOf(other)).toMatch(
        /; frame-ancestors https:\/\/app\.example\.com https:\/\/\*\.example\.org;/,
      );
      // The other page is for developers.
      for (const path of ['/ui', '/ui/', '/ui/play.html', '/ui/edit.html']) {
        const answer = await send(other.url, { path });
        expect([path, answer.status, problemOf(answer).code]).toEqual([path, 404, 'route_not_found']);
      }
      await other.stop();
    });
  });

  it('has a page to try the element, as its attributes say', async () => {
    await page.goto(`${service.url}/ui`);
    expect(page.url()).toBe(`${service.url}/ui/`);
    await page.locator('[name=key]').fill(bearer('app').authorization.replace('Bearer ', ''));
    await page.locator('[name=lang]').selectOption('de');
    const editor = new Editor(page);
    await editor.choose(await picture());
    await editor.press('Speichern');
    await editor.status('Dein Bild ist gespeichert.');
    expect(await page.locator('#told').innerText()).toBe(`visage-change: ${await versionOf('alice')}`);
    const drawn = page.locator('#drawings img');
    expect(await drawn.count()).toBe(32);
    await until(() =>
      drawn.evaluateAll((all) => all.every((image) => (image as HTMLImageElement).naturalWidth === 96)),
    );
  });
});
