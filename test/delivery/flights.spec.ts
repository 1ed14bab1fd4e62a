import { photo } from '../support/photo.mjs';
import { AvatarClient, expectStatus } from '../support/avatar-client.js';
import { RawConnection, head } from '../http/support/raw.js';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, backends, startService } from '../support/service.js';

const CLIENTS = 50;
const HIT = '?size=512&format=webp';

describe.each(backends)('many who ask for one picture on $name', (backend) => {
  let service: RunningService;
  let source: Buffer;
  let count = 0;

  beforeAll(async () => {
    source = await photo(1024, 1024);
    service = await startService({
      ...(await backend.environment()),
      CACHE_MAX_AGE_MS: '60000',
      AVATAR_WARM_SIZES: '0',
    });
  });
  afterAll(() => service.stop());

  const avatar = async () => {
    const client = new AvatarClient(service.url, `avatar-${++count}`);
    expectStatus(201, await client.upload(source));
    return client;
  };
  const crowd = <T>(ask: () => Promise<T>) => Promise.all(Array.from({ length: CLIENTS }, ask));
  const metrics = async () => {
    const now = readMetrics(await (await fetch(`${service.url}/metrics`)).text());
    return {
      hot: total(now, 'visage_http_hot_answers_total', { method: 'GET' }),
      made: total(now, 'visage_pictures_total', { kind: 'rendition', outcome: 'made' }),
    };
  };

  it('have it made once, and get it without the controllers', async () => {
    const client = await avatar();
    const before = await metrics();
    const answers = await crowd(() => client.send({ suffix: HIT }));
    const after = await metrics();
    for (const { status, headers, body } of answers) {
      expect([status, headers['content-type'], body.equals(answers[0]?.body ?? Buffer.alloc(0))]).toEqual([
        200,
        'image/webp',
        true,
      ]);
    }
    expect(after.made - before.made).toBe(1);
    // All but the first, unless it takes so long that they give up waiting for it.
    expect(after.hot - before.hot).toBeGreaterThan(0);
  });

  it('are told alike that there is none', async () => {
    const answers = await crowd(() =>
      new AvatarClient(service.url, 'nobody').send({ suffix: `${HIT}&default=404` }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 404));
  });

  it('get it though the first of them goes away', async () => {
    const client = await avatar();
    const first = await RawConnection.open(service.url);
    first.send(head('GET', `${client.path}${HIT}`));
    const answers = crowd(() => client.send({ suffix: HIT }));
    first.socket.resetAndDestroy();
    expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 200));
  });

  it('get it though the first of them never reads its answers', async () => {
    const client = await avatar();
    const first = await RawConnection.open(service.url);
    first.socket.pause();
    first.send(head('GET', client.path).repeat(200));
    first.send(head('GET', `${client.path}${HIT}`));
    const answers = await crowd(() => client.send({ suffix: HIT }));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 200));
    first.socket.destroy();
  });

  it('see a change that is made while they wait', async () => {
    const client = await avatar();
    const waiting = crowd(() => client.send({ suffix: HIT }));
    expectStatus(204, await client.delete());
    const late = await crowd(() => client.send({ suffix: `${HIT}&default=404` }));
    const [after] = await Promise.all([client.send({ suffix: HIT }), waiting]);
    expect(late.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 404));
    expect(after.headers.etag).not.toEqual((await waiting)[0]?.headers.etag);
  });
});
