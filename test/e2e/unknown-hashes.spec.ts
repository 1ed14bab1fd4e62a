import { hashEmail } from '../../src/model/alias.js';
import { type Answer, send } from '../http/support/client.js';
import { AvatarClient, expectStatus, idOf, numbered } from '../support/avatar-client.js';
import { clockMovedBy, moveClock } from '../support/clock.js';
import { local } from '../support/local.js';
import { storeCalls } from '../support/scrape.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';

const MINUTE_MS = 60_000;

describe('a hash that stands for nobody', () => {
  let service: RunningService;
  let other: RunningService;
  beforeEach(async () => {
    const environment: Environment = {
      ...(await local.environment()),
      AVATAR_WARM_SIZES: '0',
      // A scrape would otherwise start a health check as soon as the last one is too old.
      CONSTANT_HEALTH_MAX_AGE_MS: '3600000',
    };
    const clock = clockMovedBy(MINUTE_MS - 1, 1);
    [service, other] = (await startServices([{ ...environment, ...clock }, environment])) as [
      RunningService,
      RunningService,
    ];
  });
  afterEach(() => Promise.all([service.stop(), other.stop()]));

  const [md5 = '', sha256 = ''] = hashEmail('new@example.org');
  const ask = (hash: string, query = ''): Promise<Answer> =>
    send(service.url, { path: `/avatar/${hash}${query}` });
  /** The calls to the store of everything that can be asked about two hashes. */
  const calls = async (): Promise<number> => {
    const before = await storeCalls(service.url);
    for (const hash of [md5, sha256]) {
      // The second answer to the same request comes from memory before the framework.
      for (const query of ['?d=identicon', '?d=identicon', '?d=identicon&s=48', '?d=mp'])
        expectStatus(200, await ask(hash, query));
      for (let i = 0; i < 2; i++) expectStatus(404, await ask(hash, '?d=404'));
      expect(await idOf(service.url, hash)).toBeNull();
      await Promise.all(Array.from({ length: 20 }, () => ask(hash, '?d=retro')));
    }
    return (await storeCalls(service.url)) - before;
  };

  it('costs one call to the store, and none for the next minute', async () => {
    expect(await calls()).toBe(2);
    await moveClock(service, 1);
    expect(await calls()).toBe(0);
    await moveClock(service, 0);
    expect(await calls()).toBe(2);
  });

  it('stands for an avatar at once if it is registered here, and a minute later if another replica does', async () => {
    const picture = await numbered(1);
    await calls();
    const client = new AvatarClient(service.url, 'alice');
    expectStatus(201, await client.upload(picture));
    expectStatus(200, await client.setAliases({ hashes: [md5] }));
    const shown = expectStatus(200, await ask(md5, '?d=identicon'));
    expect(expectStatus(200, await ask(md5, '?d=404')).headers.etag).toBe(shown.headers.etag);

    expectStatus(200, await new AvatarClient(other.url, 'alice').setAliases({ hashes: [md5, sha256] }));
    await moveClock(service, 1);
    expect(await idOf(service.url, sha256)).toBeNull();
    await moveClock(service, 0);
    expect(await idOf(service.url, sha256)).toBe('alice');
    expect((await ask(sha256, '?d=identicon')).headers.etag).toBe(shown.headers.etag);
  });
});
