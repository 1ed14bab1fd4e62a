import { picture } from '../http/support/pictures.js';
import { RawConnection, SOCKET_BUFFERS, chunk, head } from '../http/support/raw.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { readMetrics, storeCalls, total } from '../support/scrape.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

/** Pictures of the avatar "shown", and a drawing for one that has none. */
const READS = ['', '?size=64&format=webp', '?size=100&format=png', '?animated=false'];
const DRAWING = '?default=identicon&size=64';

describe('a reader who has the picture already', () => {
  let environment: Environment;
  let service: RunningService;
  /** What the readers have, by what they asked for. */
  const etags = new Map<string, string>();

  beforeAll(async () => {
    environment = { ...(await local.environment()), AVATAR_WARM_SIZES: '0', CACHE_MAX_AGE_MS: '3600000' };
    service = await startService(environment);
    const [shown, bare] = clients();
    const version = versionOf(expectStatus(201, await shown.upload(await picture('png'))));
    for (const suffix of [...READS, `/${version}/128.jpeg`]) {
      etags.set(suffix, expectStatus(200, await shown.get(suffix)).headers.etag ?? '');
    }
    etags.set(DRAWING, expectStatus(200, await bare.get(DRAWING)).headers.etag ?? '');
    await service.stop();
    // Nothing is in memory.
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const clients = () =>
    ['shown', 'bare'].map((id) => new AvatarClient(service.url, id)) as [AvatarClient, AvatarClient];
  const made = async () => {
    const metrics = readMetrics(await (await fetch(`${service.url}/metrics`)).text());
    return total(metrics, 'visage_pictures_total', { outcome: 'made' });
  };
  const ask = async (suffix: string, etag: string, method = 'GET') => {
    const [shown, bare] = clients();
    const client = suffix === DRAWING ? bare : shown;
    return client.send({ method, suffix, headers: { 'if-none-match': etag } });
  };

  it('costs one look at the manifest, and no bytes', async () => {
    const before = await storeCalls(service.url);
    for (const [suffix, etag] of etags) {
      for (const method of ['GET', 'HEAD', 'GET']) {
        const { status, headers, body } = await ask(suffix, etag, method);
        expect([suffix, status, headers.etag, body.length]).toEqual([suffix, 304, etag, 0]);
      }
    }
    expect((await storeCalls(service.url)) - before).toBe(2);
    // Only the drawing, whose ETag follows its bytes.
    expect(await made()).toBe(1);
  });

  it('gets the whole picture from then on if it has another one', async () => {
    for (const [suffix, etag] of etags) {
      const { status, headers, body } = await ask(suffix, '"another"');
      expect([suffix, status, headers.etag]).toEqual([suffix, 200, etag]);
      expect(Number(headers['content-length'])).toBe(body.length);
      const again = await ask(suffix, '"another"');
      expect([again.headers['content-length'], again.body]).toEqual([headers['content-length'], body]);
    }
  });

  it.each(['GET', 'HEAD'])('is cut off if it sends an endless body with a %s', async (method) => {
    const connection = await RawConnection.open(service.url);
    const headers = { 'If-None-Match': etags.get('') ?? '', 'Transfer-Encoding': 'chunked' };
    connection.send(head(method, '/v1/avatars/shown', headers));
    const taken = await connection.flood(chunk(Buffer.alloc(64 * 1024, 'x')), SOCKET_BUFFERS);
    expect(taken).toBeLessThan(SOCKET_BUFFERS);
    expect(await connection.closes()).toBe(true);
  });

  it('is not told so about a version that never was', async () => {
    const suffix = '/01890a5d-ac96-774b-bcce-b302099a8057/64.webp';
    const etag = '"01890a5d-ac96-774b-bcce-b302099a8057/64.webp"';
    expect((await ask(suffix, etag)).status).toBe(404);
  });
});
