import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { type AvatarProps, Visage } from '../../clients/typescript/src/index.js';
import { openChromium } from '../e2e/support/chromium.js';
import { item } from '../support/api-keys.js';
import { numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { packageAt } from '../support/packages.js';
import { type RunningService, startService } from '../support/service.js';
import { SIGNING_KEY } from '../support/tickets.js';
import type { Setting, live } from './everywhere.js';
import { type Fault, Front } from './front.js';

const KEY = 'app';
const NODE_24 = '24.22.3';

/** Too busy for once, as pages of other origins may read it. */
const BUSY: Fault = {
  status: 503,
  headers: {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'Retry-After',
    'content-type': 'text/plain',
    'retry-after': '0',
  },
  body: 'Wait.',
};

const SAID: Awaited<ReturnType<typeof live>> = {
  nothing: [false, null, null],
  uploaded: ['Alice@x.org', 'Ä picture', 48],
  cropped: 32,
  stale: ['precondition_failed', null],
  'no picture': ['unsupported_image', expect.any(String)],
  same: true,
  picture: ['image/png', true],
  URLs: [200, 200],
  'looked up': [true, false, 'invalid_id'],
  aliases: true,
  locked: [true, ['avatar_locked', 'This picture can’t be changed. From the directory.'], false],
  'used ticket': ['ticket_used', null],
  removed: [{ pending: false }, false],
  undone: true,
  restored: 'Ä picture',
  described: null,
  'removed version': true,
  history: true,
  erased: false,
  aborted: 'enough',
};

describe('the client', () => {
  let folder: string;
  let service: RunningService;
  let front: Front;
  let setting: Setting;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'visage-runtimes-'));
    await build({
      entryPoints: ['test/clients/everywhere.ts'],
      outfile: join(folder, 'everywhere.js'),
      bundle: true,
      format: 'iife',
      globalName: 'everywhere',
      target: 'es2022',
    });
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  beforeEach(async () => {
    const settings = { API_KEYS: item(KEY, 'admin'), SIGNING_KEYS: SIGNING_KEY, AVATAR_SIZES: '32,64' };
    service = await startService({ ...(await local.environment()), ...settings });
    front = await Front.open(service.url);
    front.faults.push('lost', BUSY, 'lost answer');
    const pictures = await Promise.all([1, 2, 3].map(async (n) => (await numbered(n)).toString('base64')));
    setting = { baseUrl: front.url, key: KEY, pictures: pictures as Setting['pictures'] };
  });
  afterEach(async () => {
    await front.close();
    await service.stop();
  });

  it.each([
    [`Node ${process.versions.node}`, () => process.execPath],
    [
      `Node ${NODE_24}`,
      () => join(packageAt(`node-${process.platform}-${process.arch}`, NODE_24), 'bin/node'),
    ],
  ])('says the same in %s', async (_, path) => {
    const program = `
      const { readFileSync } = require('node:fs');
      const { live } = new Function(readFileSync('everywhere.js', 'utf8') + '; return everywhere;')();
      live(${JSON.stringify(setting)}).then((said) => console.log(JSON.stringify(said)));
    `;
    writeFileSync(join(folder, 'program.cjs'), program);
    const { stdout } = await promisify(execFile)(path(), ['program.cjs'], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual(SAID);
    expect(front.faults).toEqual([]);
  });

  it('says the same in Chromium, on a page of another origin', async () => {
    const page = await browser.newPage();
    await page.addScriptTag({ path: join(folder, 'everywhere.js') });
    const said = await page.evaluate(
      (given) => (globalThis as unknown as { everywhere: { live: typeof live } }).everywhere.live(given),
      setting,
    );
    expect(said).toEqual(SAID);
    expect(front.faults).toEqual([]);
  });

  it('makes images that Chromium shows as sharp as its screen', async () => {
    const visage = new Visage({ baseUrl: service.url, key: KEY });
    const { version } = await visage.upload('alice', await numbered(1));
    const page = await browser.newPage({ deviceScaleFactor: 2 });
    const look = ({ srcSet, ...props }: AvatarProps) =>
      page.evaluate<unknown[]>(`(async () => {
        const image = Object.assign(new Image(), ${JSON.stringify({ ...props, srcset: srcSet })});
        document.body.append(image);
        await image.decode();
        return [image.currentSrc, image.clientWidth, image.alt];
      })()`);
    const alice = { id: 'alice', name: 'Alice Jones', size: 16 };
    for (const shown of [alice, { ...alice, version }, { ...alice, id: 'nobody' }]) {
      const sharp = visage.src({ ...shown, size: 32 });
      expect(await look(visage.avatarProps(shown))).toEqual([sharp, 16, 'Alice Jones']);
    }
  });
});
