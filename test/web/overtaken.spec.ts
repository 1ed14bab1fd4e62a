import type { Browser, Page } from 'playwright-core';
import { encoded, painted, reference } from '../support/pictures.js';
import type { VisageAvatarUpload } from '../../web/src/avatar-upload.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import type { Application } from './support/application.js';
import { Editor, type Faults, collectFaults } from './support/editor.js';
import { Scene } from './support/scene.js';

/** What comes of one thing that is begun while another is under way, or is asked of an element that can't do it. */
needs('chromium')('<visage-avatar-upload>, overtaken', () => {
  let scene: Scene;
  let application: Application;
  let browser: Browser;
  let page: Page;
  let editor: Editor;
  let faults: Faults;

  beforeAll(async () => {
    scene = await Scene.open();
    ({ application, browser } = scene);
  });
  afterAll(() => scene.close());

  beforeEach(async () => {
    page = await browser.newPage();
    editor = new Editor(page);
    faults = await collectFaults(page);
    Object.assign(application, { terms: {}, asked: 0 });
  });
  afterEach(async () => {
    expect(faults.list).toEqual([]);
    await page.close();
  });

  const picture = (width: number, height: number) =>
    encoded(painted(width, height, reference(width, height)), 'png');

  /** Lets no upload through, until it is told to. */
  const hold = async () => {
    let goOn = (): void => undefined;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    let asked = 0;
    await page.route('**/v1/avatars/*?crop*', async (route) => {
      asked++;
      await released;
      await route.continue().catch(() => undefined);
    });
    return { goOn, isAsked: () => until(() => asked > 0) };
  };

  /** Chooses files at once, as a program does, and waits until all of it has come to something. */
  const chooseAll = async (...files: (readonly [bytes: readonly number[], type: string])[]) =>
    editor.element.evaluate(
      (element: VisageAvatarUpload, list) =>
        Promise.all(
          list.map(([bytes, type]) => element.choose(new File([new Uint8Array(bytes)], 'a', { type }))),
        ),
      files,
    );

  it('shows the file that was chosen last, and no failure of one before', async () => {
    await page.goto(application.page('last'));
    await chooseAll([[1, 2, 3], 'image/png'], [[...(await picture(80, 60))], 'image/png']);
    expect(await editor.fields()).toEqual({ crop: '10,0,60,60' });
    expect(await editor.element.locator('p.error').textContent()).toBe('');
  });

  it('keeps what it sends when another file is still being opened', async () => {
    await page.goto(application.page('sent'));
    await editor.choose(await picture(80, 60));
    const { goOn, isAsked } = await hold();
    await editor.element.evaluate(
      (element: VisageAvatarUpload, bytes) => {
        void element.choose(new File([new Uint8Array(bytes)], 'a', { type: 'image/png' }));
        void element.save();
      },
      [...(await picture(40, 40))],
    );
    await isAsked();
    expect(await editor.fields()).toEqual({ crop: '10,0,60,60' });
    goOn();
    await editor.status('Your picture is saved.');
    expect(await editor.button('Choose a picture').isVisible()).toBe(true);
  });

  it('ends the upload that is discarded, and leaves alone what is chosen next', async () => {
    await page.goto(application.page('discarded'));
    await editor.choose(await picture(80, 60));
    const { goOn, isAsked } = await hold();
    await editor.press('Save');
    await isAsked();
    const ended = page.waitForEvent('requestfailed');
    await editor.element.evaluate((element: VisageAvatarUpload) => {
      element.discard();
    });
    await ended;
    await chooseAll([[...(await picture(40, 40))], 'image/png']);
    goOn();
    await editor.painted();
    expect(await editor.fields()).toEqual({ crop: '0,0,40,40' });
    expect(await editor.button('Save').isVisible()).toBe(true);
    expect(await editor.element.locator('p.error').textContent()).toBe('');
  });

  it('can be cancelled while the page is asked for a ticket that never comes', async () => {
    await page.goto(application.page('never', { attributes: '' }));
    await editor.element.evaluate((element: VisageAvatarUpload) => {
      element.getTicket = () => new Promise(() => undefined);
    });
    await editor.choose(await picture(80, 60));
    await editor.element.evaluate((element: VisageAvatarUpload) => {
      void element.save();
    });
    await editor.press('Cancel');
    await editor.status('Cancelled.');
    expect(await editor.fields()).toEqual({ crop: '10,0,60,60' });
  });

  it('keeps the new picture when the page moves it', async () => {
    await page.goto(application.page('moved', { html: '{}<footer></footer>' }));
    await editor.choose(await picture(80, 60));
    await editor.save();
    const shown = () => editor.element.locator('img.current').getAttribute('src');
    const saved = await shown();
    await page.evaluate(() => {
      document.querySelector('footer')?.append(document.querySelector('visage-avatar-upload') ?? '');
    });
    expect(saved).toMatch(/\/moved\/[^?]+\/master/);
    expect(await shown()).toBe(saved);
  });

  it('takes a paste in one element only', async () => {
    await page.goto(application.page('two', { attributes: 'hidden' }));
    await page.evaluate(
      (bytes) => {
        const [element] = document.querySelectorAll('visage-avatar-upload');
        const others = ['first', 'second'].map(() => document.createElement('visage-avatar-upload'));
        element?.after(...others);
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([new Uint8Array(bytes)], 'a.png', { type: 'image/png' }));
        const event = new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData });
        document.body.dispatchEvent(event);
      },
      [...(await picture(80, 60))],
    );
    const files = () =>
      page.evaluate(() =>
        Array.from(
          document.querySelectorAll<VisageAvatarUpload>('visage-avatar-upload'),
          ({ file }) => file?.name,
        ),
      );
    await until(async () => (await files()).includes('a.png'));
    expect(await files()).toEqual([undefined, 'a.png', undefined]);
  });

  it('sends nothing by itself where its form does', async () => {
    await page.goto(application.page('mine', { attributes: '' }));
    await editor.choose(await picture(80, 60));
    await editor.element.evaluate((element: VisageAvatarUpload) => element.save());
    expect(await editor.fields()).toEqual({ crop: '10,0,60,60' });
    expect(await editor.element.locator('p.error').textContent()).toBe('');
  });

  it('offers what its tickets are for, wherever they come from', async () => {
    await page.goto(application.page('mine', { attributes: 'may="remove restore"' }));
    await editor.element.evaluate((element: VisageAvatarUpload) => {
      element.getTicket = () => 'later';
    });
    expect(await editor.button('Remove').isVisible()).toBe(true);
    expect(await editor.button('Earlier pictures').isVisible()).toBe(true);
  });

  it.each(['null', '{}', '[]', '"\\n.e30.x"'])(
    'says that it has no ticket when the page gives %s',
    async (json) => {
      await page.goto(application.page('given'));
      await page.route('**/given/ticket', (route) => route.fulfill({ json: JSON.parse(json) as unknown }));
      await editor.choose(await picture(80, 60));
      await editor.press('Save');
      expect(await editor.error()).toMatch(/can’t change this picture/);
    },
  );

  it.each([['accept="image/*"'], ['accept=" .png , .jpg "'], ['accept=""'], ['max-bytes="many"']])(
    'opens a picture with %s',
    async (attributes) => {
      await page.goto(application.page('attributes', { attributes }));
      await editor.choose(await picture(80, 60));
      expect(await editor.fields()).toEqual({ crop: '10,0,60,60' });
    },
  );

  it('refuses what is not among the types that the page names', async () => {
    await page.goto(application.page('attributes', { attributes: 'accept=" image/jpeg "' }));
    await editor.give(await picture(80, 60), 'image/png');
    expect(await editor.error()).toMatch(/kind of file/);
  });
});
