import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type Browser, type Page, type Response } from 'playwright-core';
import sharp from 'sharp';
import { hashEmail } from '../../src/model/alias.js';
import { startNginx } from '../cdn/support/nginx.js';
import { until } from '../support/until.js';
import { send } from '../http/support/client.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { freePort, listenSomewhere } from '../support/ports.js';
import { type RunningService, startService, startServices } from '../support/service.js';
import { needs } from '../support/tools.js';
import { openChromium } from './support/chromium.js';

const [HASH = ''] = hashEmail('alice@example.org');

const KEPT_BY_CDNS = [
  '/v1/avatars/alice?size=32',
  '/v1/avatars/alice?size=32&default=blank',
  `/avatar/${HASH}?s=32&d=blank`,
];

/** URLs that stay while the picture behind them changes. */
const STABLE = [...KEPT_BY_CDNS, '/v1/sheets?size=32&ids=alice&default=blank'];

/** What such URLs show without a picture: a problem, and drawings that let the page shine through. */
const NO_PICTURE = ['nothing', 'white', 'white', 'white'];

const COLORS = { red: '#f00', green: '#0f0', blue: '#00f' } as const;
type Color = keyof typeof COLORS;

const everywhere = (color: Color) => STABLE.map(() => color);

const plain = (color: Color) =>
  sharp({ create: { width: 48, height: 48, channels: 3, background: COLORS[color] } })
    .png()
    .toBuffer();

/** Where a page gets its pictures, and where they are changed. */
interface Place {
  url: string;
  client: AvatarClient;
  /** Waits until a change is known wherever the browser may ask. */
  known: () => Promise<unknown>;
}

needs('chromium')('a page in Chromium', () => {
  let browser: Browser;
  let page: Page;
  let pages: string;
  /** Serves pages with all pictures of the service that their query names, and without one an empty page. */
  const site = createServer(({ url = '' }, response) => {
    const at = new URL(url, 'http://localhost').searchParams.get('at');
    const images = STABLE.map((path) => `<img style="display:block;height:32px" src="${at}${path}">`);
    response.writeHead(200, { 'Content-Type': 'text/html', 'Cache-Control': 'no-store' });
    response.end(`<!doctype html><body style="margin:0">${at === null ? '' : images.join('')}`);
  });

  beforeAll(async () => {
    pages = `http://127.0.0.1:${await listenSomewhere(site)}/`;
    browser = await openChromium();
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    site.close();
  });

  const show = (url: string) => page.goto(`${pages}?at=${url}`);
  const leave = () => page.goto(pages);

  /** What is to be seen of each picture. */
  const seen = async (): Promise<string[]> => {
    const loaded = await page.evaluate('[...document.images].map((image) => image.naturalWidth > 0)');
    const shot = await page.screenshot({ clip: { x: 0, y: 0, width: 32, height: 32 * STABLE.length } });
    const { data, info } = await sharp(shot).raw().toBuffer({ resolveWithObject: true });
    return (loaded as boolean[]).map((isLoaded, i) => {
      if (!isLoaded) return 'nothing';
      const middle = ((32 * i + 16) * info.width + 16) * info.channels;
      const lit = [...data.subarray(middle, middle + 3)].map((value) => (value > 127 ? 'f' : '0')).join('');
      const names = Object.entries({ ...COLORS, white: '#fff' });
      return names.find(([, code]) => code === `#${lit}`)?.[0] ?? lit;
    });
  };

  const upload = async ({ client, known }: Place, color: Color) => {
    const answer = expectStatus(201, await client.upload(await plain(color)));
    await known();
    return versionOf(answer);
  };

  const followsEachChange = async (place: Place) => {
    const { url, client, known } = place;
    const red = await upload(place, 'red');
    expectStatus(200, await client.setAliases({ hashes: [HASH] }));
    await known();
    await show(url);
    expect(await seen()).toEqual(everywhere('red'));

    await upload(place, 'green');
    await page.reload();
    expect(await seen()).toEqual(everywhere('green'));

    await leave();
    await upload(place, 'blue');
    await show(url);
    expect(await seen()).toEqual(everywhere('blue'));

    expectStatus(204, await client.delete());
    await known();
    await page.reload();
    expect(await seen()).toEqual(NO_PICTURE);

    await leave();
    expectStatus(200, await client.restore(red));
    await known();
    await show(url);
    expect(await seen()).toEqual(everywhere('red'));
  };

  describe('with one replica', () => {
    let service: RunningService;
    let place: Place;
    beforeAll(async () => {
      service = await startService(await local.environment());
      const client = new AvatarClient(service.url, 'alice');
      place = { url: service.url, client, known: () => Promise.resolve() };
    });
    afterAll(() => service.stop());

    it('shows each change after a reload and on the next visit', () => followsEachChange(place));

    it('shows it to a user who goes back, once it has fetched the picture anew', async () => {
      await show(service.url);
      await leave();
      await upload(place, 'green');
      const urls = JSON.stringify(STABLE.map((path) => service.url + path));
      await page.evaluate(`Promise.all(${urls}.map((url) => fetch(url, { cache: 'reload' })))`);
      await page.goBack();
      expect(await seen()).toEqual(everywhere('green'));
    });

    it('shows a delete on the page that is open, once it has fetched the picture anew', async () => {
      await upload(place, 'red');
      await show(service.url);
      expect(await seen()).toEqual(everywhere('red'));
      expectStatus(204, await place.client.delete());
      const anew = /A delete answers no URL[^`]*`src`[^]*?```js\n([^]*?)```/.exec(
        readFileSync('docs/api.md', 'utf8'),
      )?.[1];
      await page.evaluate(
        `Promise.all([...document.images].map(async (img) => { ${anew ?? ''}; await img.decode().catch(() => 0) }))`,
      );
      expect(await seen()).toEqual(NO_PICTURE);
    });
  });

  it('shows each change once both of two replicas know it', async () => {
    const soon = { CACHE_MAX_AGE_MS: '100', CONSTANT_CACHE_UNKNOWN_HASH_MS: '100' };
    const environment = { ...(await local.environment()), ...soon };
    const [one, two] = (await startServices([environment, environment])) as [RunningService, RunningService];
    let turn = 0;
    const proxy = createServer(({ url: path = '', headers }, response) => {
      void send((turn++ % 2 ? one : two).url, { path, headers }).then((answer) => {
        response.writeHead(answer.status, answer.headers).end(answer.body);
      });
    });
    await followsEachChange({
      url: `http://127.0.0.1:${await listenSomewhere(proxy)}`,
      client: new AvatarClient(one.url, 'alice'),
      known: () => untilEqual(one.url, two.url),
    });
    proxy.close();
    await Promise.all([one, two].map((service) => service.stop()));
  });

  needs('nginx')('behind an nginx that is purged', () => {
    it('shows each change once nginx is purged, which then answers from its cache', async () => {
      const port = await freePort();
      const service = await startService({
        ...(await local.environment()),
        CDN_PURGE: 'http',
        CDN_HTTP_METHOD: 'PURGE',
        CDN_HTTP_URL: `http://127.0.0.1:${port}{path}*`,
      });
      const nginx = await startNginx(service.url, port);
      await followsEachChange({
        url: nginx.url,
        client: new AvatarClient(service.url, 'alice'),
        known: () => untilEqual(service.url, nginx.url),
      });
      // Once the last purge is over.
      await until(async () => {
        const answers: string[] = [];
        const note = (response: Response) =>
          void answers.push(`${response.status()} ${response.headers()['x-cache']}`);
        page.on('response', note);
        await page.reload();
        page.off('response', note);
        return answers.filter((answer) => answer === '304 HIT').length === KEPT_BY_CDNS.length;
      }, 'nginx to tell the browser that it has the pictures');
      await nginx.stop();
      await service.stop();
    });
  });
});

/** Waits until two servers answer alike. */
async function untilEqual(...urls: [string, string]): Promise<void> {
  const stateAt = async (url: string) => {
    const answers = await Promise.all(KEPT_BY_CDNS.map((path) => send(url, { path })));
    return answers.map(({ status, headers }) => `${status} ${headers.etag}`).join();
  };
  await until(
    async () => {
      const [one, other] = await Promise.all(urls.map(stateAt));
      return one === other;
    },
    `${urls.join(' and ')} to be equal`,
  );
}
