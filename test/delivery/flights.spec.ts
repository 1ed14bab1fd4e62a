import { AvatarClient, expectStatus } from '../support/avatar-client.js';
import { RawConnection, head } from '../http/support/raw.js';
import { local } from '../support/local.js';
import { painted, reference } from '../support/pictures.js';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, startService } from '../support/service.js';

const CLIENTS = 50;
const HIT = '?size=256&format=webp';

describe('many requests for one picture', () => {
  let service: RunningService;
  let source: Buffer;
  let count = 0;

  beforeAll(async () => {
    source = await painted(512, 512, reference(512, 512)).jpeg().toBuffer();
    service = await startService({
      ...(await local.environment()),
      CACHE_MAX_AGE_MS: '3600000',
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

  it('make it once, and are answered without the controllers', async () => {
    const client = await avatar();
    const ask = () => crowd(() => client.send({ suffix: HIT }));
    const before = await metrics();
    const first = await ask();
    const made = await metrics();
    const second = await ask();
    const after = await metrics();
    const answers = [...first, ...second];
    for (const { status, headers, body } of answers) {
      expect([status, headers['content-type'], body.equals(answers[0]?.body ?? Buffer.alloc(0))]).toEqual([
        200,
        'image/webp',
        true,
      ]);
    }
    expect(after.made - before.made).toBe(1);
    // Of the first crowd all that did not give up waiting, which is a matter of time; of the second all.
    expect(after.hot - made.hot).toBe(CLIENTS);
  });

  it('all learn that there is none', async () => {
    const answers = await crowd(() =>
      new AvatarClient(service.url, 'nobody').send({ suffix: `${HIT}&default=404` }),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 404));
  });

  it('get it even if the first one disconnects', async () => {
    const client = await avatar();
    const first = await RawConnection.open(service.url);
    first.send(head('GET', `${client.path}${HIT}`));
    const answers = crowd(() => client.send({ suffix: HIT }));
    first.reset();
    expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 200));
  });

  it('get it even if the first one never reads its answers', async () => {
    const client = await avatar();
    const first = await RawConnection.open(service.url);
    first.socket.pause();
    first.send(head('GET', client.path).repeat(200));
    first.send(head('GET', `${client.path}${HIT}`));
    const answers = await crowd(() => client.send({ suffix: HIT }));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 200));
    first.socket.destroy();
  });

  it('see a change that happens while they wait', async () => {
    const client = await avatar();
    const waiting = crowd(() => client.send({ suffix: HIT }));
    expectStatus(204, await client.delete());
    const late = await crowd(() => client.send({ suffix: `${HIT}&default=404` }));
    const after = await client.send({ suffix: HIT });
    expect(late.map(({ status }) => status)).toEqual(Array.from({ length: CLIENTS }, () => 404));
    expect(after.status).toBe(404);
    // Those who asked before learn of the change, too, unless they had the picture by then.
    for (const { status } of await waiting) expect([200, 404]).toContain(status);
  });
});
