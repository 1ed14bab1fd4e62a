import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { local } from '../support/local.js';
import { problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';

/** In bytes: what a page pays for the element. */
const MOST_BYTES = 10_000;

describe('the script of the element', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start(await local.environment());
  });
  afterAll(() => harness.stop());

  const get = (headers: Record<string, string> = {}) => harness.send({ path: '/ui/visage.js', headers });

  it('is a module that pages of all origins can load, and has at most 10 kB', async () => {
    const { status, headers, body } = await get({ 'Accept-Encoding': 'br, gzip' });
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-encoding': 'gzip',
      'cache-control': 'public, max-age=300, stale-while-revalidate=86400',
      'access-control-allow-origin': '*',
      vary: 'Accept-Encoding',
    });
    expect(body.length).toBeLessThanOrEqual(MOST_BYTES);
    for (const encodings of ['', 'br', 'gzip;q=0', 'gzip; q=0.0, br', 'xgzipx']) {
      const plain = await get({ 'Accept-Encoding': encodings });
      expect(plain.headers['content-encoding']).toBeUndefined();
      expect(plain.body.equals(gunzipSync(body))).toBe(true);
      expect(plain.headers.etag).not.toBe(headers.etag);
    }
  });

  it('is next to no other files', async () => {
    for (const file of [
      'en.js',
      'visage.ts',
      '..%2f..%2fpackage.json',
      '..%2fpackage.json',
      'constructor',
      '%00',
    ]) {
      const answer = await harness.send({ path: `/ui/${file}` });
      expect([file, answer.status, problemOf(answer).code]).toEqual([file, 404, 'route_not_found']);
    }
  });

  it('comes with every file that it loads later, from here and from npm', async () => {
    const script = (await get()).body.toString();
    const later = [...script.matchAll(/import\("\.\/([^"]+)"\)/g)].map(([, file]) => file ?? '');
    expect(later.sort()).toEqual(['de.js', 'history.js']);
    const { files } = JSON.parse(await readFile('web/package.json', 'utf8')) as { files: string[] };
    for (const file of later) {
      expect((await harness.send({ path: `/ui/${file}` })).status).toBe(200);
      expect(files).toContain(`dist/${file}`);
    }
  });

  it('is not sent again to who has it', async () => {
    for (const encoding of ['gzip', 'identity']) {
      const etag = (await get({ 'Accept-Encoding': encoding })).headers.etag ?? '';
      const again = await get({ 'Accept-Encoding': encoding, 'If-None-Match': etag });
      expect([again.status, again.headers.etag, again.body.length]).toEqual([304, etag, 0]);
      const other = encoding === 'gzip' ? 'identity' : 'gzip';
      expect((await get({ 'Accept-Encoding': other, 'If-None-Match': etag })).status).toBe(200);
    }
  });

  it('can be imported where there is no DOM, as a server does that renders pages', async () => {
    const program =
      "const { VisageAvatarUpload, VisageError } = await import('./web/dist/visage.js'); console.log(typeof VisageAvatarUpload, new VisageError('busy', 'no').name)";
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toBe('function VisageError\n');
  });
});
