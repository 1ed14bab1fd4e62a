import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import {
  type Encoding,
  animation,
  difference,
  encoded,
  oriented,
  painted,
  reference,
} from '../support/pictures.js';
import type { VisageAvatarUpload } from '../../web/src/avatar-upload.js';
import type { RunningService } from '../support/service.js';
import { forgeTicket } from '../support/tickets.js';
import { until } from '../support/until.js';
import { needs } from '../support/tools.js';
import type { Application } from './support/application.js';
import { Editor, type Faults, collectFaults } from './support/editor.js';
import { Scene } from './support/scene.js';

/** What the largest preview shows may differ so much from what is stored, from 0 to 255: two encoders and two scalers are between. */
const ALIKE = 6;

interface Info {
  version: string;
  animated: boolean;
  alt?: string;
}

needs('chromium')('<visage-avatar-upload>', () => {
  let scene: Scene;
  let service: RunningService;
  let application: Application;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let editor: Editor;
  let faults: Faults;

  beforeAll(async () => {
    scene = await Scene.open();
    ({ service, application, browser } = scene);
    context = await browser.newContext({ hasTouch: true });
  });
  afterAll(() => scene.close());

  beforeEach(async () => {
    page = await context.newPage();
    editor = new Editor(page);
    faults = await collectFaults(page);
    Object.assign(application, { terms: {}, asked: 0 });
  });
  afterEach(async () => {
    expect(faults.list).toEqual([]);
    await page.close();
  });

  const client = (id: string) => application.client(id);
  const infoOf = async (id: string) => jsonOf(expectStatus(200, await client(id).get('/info'))) as Info;
  const stored = async (id: string) => expectStatus(200, await client(id).get('?size=128&format=png')).body;
  const picture = () => encoded(painted(800, 600, reference(800, 600)), 'png');

  describe('the part of the picture', () => {
    /** From the largest square of 800 x 600 px: larger by 1.1 three times, three steps to the right, and one up. */
    const SIDE = 600 / 1.1 ** 3;
    const CROP = [400 - SIDE / 2 - (3 / 16) * SIDE, 300 - SIDE / 2 + SIDE / 16, SIDE, SIDE];

    const expectCrop = async (wanted = CROP) => {
      const crop = await editor.crop();
      expect(crop.map((px, i) => Math.abs(px - (wanted[i] ?? NaN)) <= 1)).toEqual([true, true, true, true]);
    };

    beforeEach(async () => {
      await page.goto(application.page('part'));
      await editor.choose(await picture());
      expect(await editor.fields()).toEqual({ crop: '100,0,600,600' });
    });

    it('is chosen with a mouse and its wheel', async () => {
      const { x, y } = await editor.middle();
      await page.mouse.move(x, y);
      await page.mouse.wheel(0, -Math.log(1.1 ** 3) / 0.002);
      await editor.status('Zoom 133 %');
      // The window has 256 px.
      await editor.drag((3 * 256) / 16, -256 / 16);
      await expectCrop();
    });

    it('is chosen with keys alone', async () => {
      await editor.stage.press('+');
      await editor.stage.press('+');
      await editor.stage.press('+');
      await editor.status('Zoom 133 %');
      for (let i = 0; i < 3; i++) await editor.stage.press('ArrowRight');
      await editor.stage.press('ArrowUp');
      await expectCrop();
      const [before] = await editor.crop();
      await editor.stage.press('Shift+ArrowLeft');
      const [fine] = await editor.crop();
      expect((fine ?? NaN) - (before ?? NaN)).toBe(1);
    });

    it('is chosen with clicks alone', async () => {
      for (let i = 0; i < 3; i++) await editor.press('Zoom in');
      for (let i = 0; i < 3; i++) await editor.press('Move the picture right');
      await editor.press('Move the picture up');
      await expectCrop();
      for (let i = 0; i < 40; i++) await editor.press('Move the picture left');
      await editor.status('The picture ends here');
      await editor.press('Reset');
      expect(await editor.fields()).toEqual({ crop: '100,0,600,600' });
    });

    it('is chosen with two fingers', async () => {
      const { x, y } = await editor.middle();
      const session = await context.newCDPSession(page);
      const touch = (type: string, ...places: number[][]) => {
        const touchPoints = places.map(([right = 0, down = 0], id) => ({ x: x + right, y: y + down, id }));
        return session.send('Input.dispatchTouchEvent', { type: type as 'touchStart', touchPoints });
      };
      await touch('touchStart', [-32, 0], [32, 0]);
      await touch('touchMove', [-48, 0], [48, 0]);
      await touch('touchMove', [-64, 0], [64, 0]);
      // Both to the right and down, by an eighth of the window.
      await touch('touchMove', [-32, 32], [96, 32]);
      await touch('touchEnd');
      await editor.status('Zoom 200 %');
      await expectCrop([212.5, 112.5, 300, 300]);
    });
  });

  it.each<[number, Encoding]>([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((orientation): [number, Encoding] => [orientation, 'jpeg']),
    [6, 'png'],
    [1, 'webp'],
  ])('stores what the window shows: orientation %i, %s', async (orientation, encoding) => {
    await page.goto(application.page('orientation'));
    await editor.choose(
      await oriented(orientation, 400, 300, reference(400, 300), encoding),
      `image/${encoding}`,
    );
    for (let i = 0; i < 4; i++) await editor.press('Zoom in');
    for (let i = 0; i < 3; i++) await editor.press('Move the picture right');
    if (orientation % 2 === 0) await editor.press('Turn clockwise');
    await editor.press('Move the picture down');
    const preview = await editor.preview();
    await editor.save();
    expect(await difference(preview, await stored('orientation'))).toBeLessThan(ALIKE);
  });

  it('sends a WebP whole that only some browsers show upright', async () => {
    await page.goto(application.page('webp'));
    await editor.give(await oriented(6, 400, 300, reference(400, 300), 'webp'), 'image/webp');
    await editor.status('Your browser can’t show this picture.');
    expect([...(await editor.save())]).toEqual([]);
    expect(await difference(await stored('webp'), await picture())).toBeLessThan(60);
  });

  it('sends the file as it is, keeps a GIF moving, and does not offer to turn it', async () => {
    const left = reference(80, 60);
    const gif = await animation(80, 60, [left, (x, y) => left(79 - x, y)])
      .gif({ delay: [100, 100] })
      .toBuffer();
    await page.goto(application.page('moving'));
    await editor.choose(gif, 'image/gif');
    expect(await editor.button('Turn clockwise').isVisible()).toBe(false);
    const query = await editor.save();
    expect([...query]).toEqual([['crop', '10,0,60,60']]);
    // The service knows the same upload by the sum of its bytes.
    const again = await client('moving').send({ method: 'PUT', suffix: `?${query.toString()}`, body: gif });
    expect(again.status).toBe(200);
    expect((await infoOf('moving')).animated).toBe(true);
  });

  it('tells the page of the new picture, which a second tab shows on its next view', async () => {
    expectStatus(201, await client('tabs').upload(await numbered(1)));
    const second = await context.newPage();
    const html = `<img alt="" src="${service.url}/v1/avatars/tabs?size=32">`;
    const shown = () => second.evaluate('[document.images[0].complete, document.images[0].naturalWidth]');
    await second.goto(application.page('tabs', { html }));
    expect(await shown()).toEqual([true, 32]);
    const before = await second.locator('img').screenshot();

    await page.goto(application.page('tabs'));
    const told = page.evaluate(
      `new Promise((done) => addEventListener('visage-change', ({ detail }) => done(detail)))`,
    );
    await editor.choose(await picture());
    await editor.element.getByRole('textbox').fill(' Four colors ');
    await editor.element.getByRole('textbox').press('Enter');
    await editor.status('Your picture is saved.');
    const { version } = await infoOf('tabs');
    expect(await told).toMatchObject({ version, alt: 'Four colors' });
    const current = editor.element.getByRole('img', { name: 'Four colors' });
    expect(await current.getAttribute('src')).toContain(`/${version}/`);

    await second.reload();
    expect(await shown()).toEqual([true, 32]);
    expect((await second.locator('img').screenshot()).equals(before)).toBe(false);
    await second.close();
  });

  describe('a ticket', () => {
    it('is asked for when the user saves, and once more if it has run out', async () => {
      await page.goto(application.page('late'));
      await editor.choose(await picture());
      expect(application.asked).toBe(0);
      application.stale.push(
        await forgeTicket('late', { claims: { exp: Math.floor(Date.now() / 1000) - 60 } }),
      );
      await editor.save();
      expect(application.asked).toBe(2);
    });

    it('can come from a function of the page', async () => {
      await page.goto(application.page('function', { attributes: '' }));
      expect(await editor.button('Save').isVisible()).toBe(false);
      await editor.element.evaluate((element: VisageAvatarUpload) => {
        element.getTicket = async () =>
          ((await (await fetch('/function/ticket')).json()) as { ticket: string }).ticket;
      });
      await editor.choose(await picture());
      await editor.save();
      expect((await infoOf('function')).animated).toBe(false);
    });

    it('says how many bytes are possible, so that nothing larger is sent', async () => {
      application.terms = { maxBytes: 200 };
      await page.goto(application.page('large'));
      await editor.choose(await picture());
      const puts: string[] = [];
      page.on('request', (request) => puts.push(request.method()));
      await editor.press('Save');
      expect(await editor.error()).toBe('This file is too large. At most 0 MB are possible.');
      expect(puts).toEqual(['POST']);
    });
  });

  describe('the history', () => {
    const attributes = (id: string) =>
      `ticket-url="/${id}/ticket" avatar-id="${id}" may="upload remove restore"`;

    it('is offered only if the page says that its tickets are for it', async () => {
      await page.goto(application.page('plain'));
      await editor.button('Choose a picture').waitFor();
      expect(await editor.button('Remove').isVisible()).toBe(false);
      expect(await editor.button('Earlier pictures').isVisible()).toBe(false);
    });

    it('removes the picture on a second click, and restores one by a click', async () => {
      application.terms = { may: ['remove', 'restore'] };
      const [first, second] = [await numbered(1), await numbered(2)];
      const { version } = jsonOf(expectStatus(201, await client('past').upload(first))) as Info;
      expectStatus(201, await client('past').upload(second));
      await page.goto(application.page('past', { attributes: attributes('past') }));
      const told = page.evaluate(
        `new Promise((done) => addEventListener('visage-change', ({ detail }) => done(detail)))`,
      );
      const versions = editor.element.locator('button.version');
      await editor.press('Remove');
      await editor.press('Earlier pictures');
      await versions.nth(1).waitFor();
      expect([await versions.nth(0).isDisabled(), await versions.nth(1).isDisabled()]).toEqual([true, false]);
      expect(await versions.locator('img').count()).toBe(2);
      // Another button was used meanwhile; and a double click is no second thought.
      await editor.button('Remove').dblclick();
      await editor.button('Really remove?').waitFor();
      expect((await client('past').get()).status).toBe(200);
      await editor.press('Really remove?');
      await editor.status('Your picture is removed.');
      expect(await told).toBeNull();
      expect((await client('past').get()).status).toBe(404);
      expect(await editor.button('Remove').isVisible()).toBe(false);

      await editor.press('Earlier pictures');
      await versions.nth(1).waitFor();
      // The pictures themselves can't be loaded now.
      expect(await versions.locator('canvas').count()).toBe(2);
      await versions.nth(1).click();
      await editor.status('This is your picture again.');
      expect(await editor.button('Remove').isVisible()).toBe(true);
      expect((await infoOf('past')).version).toBe(version);
      const current = editor.element.getByRole('img', { name: 'Current picture' });
      expect(await current.getAttribute('src')).toContain(`/${version}/`);
    });

    it('says why it can’t be shown: to the user, and the details to the developer', async () => {
      application.terms = { may: ['upload'] };
      const warned = page.waitForEvent('console', (message) => message.type() === 'warning');
      await page.goto(application.page('past', { attributes: attributes('past') }));
      await editor.press('Earlier pictures');
      expect(await editor.error()).toMatch(/^You can’t change this picture at the moment/);
      expect((await warned).text()).toMatch(/^<visage-avatar-upload> insufficient_scope: .*restore/);
    });

    it('says that there is none, and has nothing to remove', async () => {
      application.terms = { may: ['restore'] };
      await page.goto(application.page('nobody', { attributes: attributes('nobody') }));
      await editor.button('Remove').waitFor({ state: 'hidden' });
      await editor.press('Earlier pictures');
      await editor.status('There are no earlier pictures.');
    });
  });

  it('tells in the language of the page why a picture was not accepted, and tells the page by its code', async () => {
    const attributes = 'ticket-url="/broken/ticket" accept="image/png, image/avif" max-bytes="5200000"';
    await page.goto(application.page('broken', { lang: 'de-AT', attributes }));
    await editor.element.getByText('JPEG, PNG, WebP oder GIF, höchstens 4,9 MB').waitFor();
    const told = page.evaluate(
      `new Promise((done) => addEventListener('visage-error', ({ detail }) => done(detail.code)))`,
    );
    // Only Visage can tell.
    await editor.give(Buffer.from('no picture'), 'image/avif');
    await editor.status('Dein Browser kann dieses Bild nicht anzeigen.');
    expect(await editor.fields()).toEqual({});
    await editor.press('Speichern');
    expect(await editor.error()).toBe('Diese Art von Datei geht nicht. Nimm ein JPEG, PNG, WebP oder GIF.');
    expect(await told).toBe('unsupported_image');
    expect((await client('broken').get()).status).toBe(404);
    // It would be refused again.
    expect(await editor.button('Bild auswählen').isVisible()).toBe(true);
    await editor.give(Buffer.from('%PDF-1.7'), 'application/pdf');
    expect(await editor.error()).toBe('Diese Art von Datei geht nicht. Nimm ein JPEG, PNG, WebP oder GIF.');
    await editor.give(Buffer.from('no picture'), 'image/png');
    await editor.element.getByRole('alert').filter({ hasText: 'lässt sich nicht als Bild öffnen' }).waitFor();
    expect(await editor.button('Bild auswählen').isVisible()).toBe(true);
  });

  it('can be cancelled while it uploads, and tried again', async () => {
    await page.goto(application.page('cancelled'));
    await editor.choose(await picture());
    let held = (): void => undefined;
    const holding = new Promise<void>((resolve) => (held = resolve));
    await page.route('**/v1/avatars/cancelled?crop*', () => {
      held();
    });
    await editor.press('Save');
    await holding;
    await editor.press('Cancel');
    await editor.status('Cancelled.');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    expect(await editor.button('Save').evaluate((button) => button.matches(':focus'))).toBe(true);
    await editor.save();
    expect((await stored('cancelled')).length).toBeGreaterThan(0);
  });

  it('takes a picture that is dropped or pasted, but not what is pasted into a field', async () => {
    await page.goto(application.page('dropped', { html: '<input aria-label="name">{}' }));
    const give = async (type: 'drop' | 'paste', target: string, bytes: Buffer) =>
      page.evaluate(
        ([kind, selector, list]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(list)], 'a.png', { type: 'image/png' }));
          const options = { bubbles: true, cancelable: true, composed: true };
          const event =
            kind === 'drop'
              ? new DragEvent(kind, { ...options, dataTransfer: data })
              : new ClipboardEvent(kind, { ...options, clipboardData: data });
          document.querySelector(selector)?.dispatchEvent(event);
          return event.defaultPrevented;
        },
        [type, target, [...bytes]] as const,
      );
    expect(await give('paste', 'input', await picture())).toBe(false);
    expect(await give('drop', 'visage-avatar-upload', await picture())).toBe(true);
    await editor.status('The picture is open.');
    expect(await editor.fields()).toEqual({ crop: '100,0,600,600' });
    expect(await give('paste', 'body', await numbered(1))).toBe(true);
    await until(async () => (await editor.fields())['crop'] === '0,0,48,48');
  });

  describe('in a form', () => {
    const FORM =
      '<form method="post" enctype="multipart/form-data" action="form/save">{}<button>Send</button></form>';

    it('is a control that submits what the service takes, so that an application can pass it on unread', async () => {
      await page.goto(application.page('form', { attributes: 'required', html: FORM }));
      await page.getByRole('button', { name: 'Send' }).click();
      const valid = () => editor.element.evaluate((element) => element.matches(':valid'));
      expect(await valid()).toBe(false);
      await editor.choose(await picture());
      expect(await valid()).toBe(true);
      await editor.press('Turn clockwise');
      await editor.press('Zoom in');
      await editor.element.getByRole('textbox').fill('Four colors');
      const preview = await editor.preview();
      expect(await editor.button('Save').isVisible()).toBe(false);
      await editor.element.getByRole('textbox').press('Enter');
      await page.waitForURL('**/save');
      expect((await infoOf('form')).alt).toBe('Four colors');
      expect(await difference(preview, await stored('form'))).toBeLessThan(ALIKE);
    });

    it('is emptied and disabled with its form', async () => {
      await page.goto(
        application.page('form', { attributes: '', html: `<form><fieldset>{}</fieldset></form>` }),
      );
      await editor.choose(await picture());
      await page.locator('form').evaluate((form: HTMLFormElement) => {
        form.reset();
      });
      expect(await editor.button('Choose a picture').isVisible()).toBe(true);
      expect(await editor.fields()).toEqual({});
      await editor.choose(await picture());
      await page.locator('fieldset').evaluate((fieldset) => fieldset.toggleAttribute('disabled', true));
      expect(await editor.button('Reset').isDisabled()).toBe(true);
      await editor.stage.evaluate((stage) => {
        stage.focus();
      });
      await page.keyboard.press('+');
      await editor.drag(32, 0);
      expect(await editor.fields()).toEqual({ crop: '100,0,600,600' });
    });
  });
});
