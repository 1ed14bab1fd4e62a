import { setTimeout as sleep } from 'node:timers/promises';
import { pictureKey } from '../../src/model/keys.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { readMetrics, total } from '../support/scrape.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';

const BROWSER = { accept: 'image/avif,image/webp,image/*,*/*;q=0.8' };

describe.each(backends)('an AVIF on $name, by replicas that keep nothing in memory', (backend) => {
  let environment: Environment;
  let replicas: RunningService[];
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await backend.environment()), AVATAR_WARM_SIZES: '0', CACHE_BYTES: '0' };
    replicas = await startServices([environment, environment]);
  });
  afterAll(() => Promise.all(replicas.map((replica) => replica.stop())));

  const [first, second] = [0, 1].map((i) => (id: string) => new AvatarClient(replicas[i]?.url ?? '', id));
  if (!first || !second) throw new Error('two of two');
  const upload = async () => {
    const id = `avatar-${++count}`;
    return { id, version: versionOf(expectStatus(201, await first(id).upload(await numbered(count)))) };
  };
  const show = async (client: AvatarClient) =>
    expectStatus(200, await client.send({ suffix: '?size=32', headers: BROWSER }));
  const typeOf = async (client: AvatarClient) => (await show(client)).headers['content-type'];
  const showsAvif = async (client: AvatarClient) => {
    while ((await typeOf(client)) !== 'image/avif') await sleep(10);
  };
  const stored = async (key: string) => {
    while (!(await openBackend(environment).exists(key))) await sleep(10);
  };
  const madeBySecond = async () => {
    const metrics = readMetrics(await (await fetch(`${replicas[1]?.url}/metrics`)).text());
    return total(metrics, 'visage_pictures_total', { outcome: 'made' });
  };

  it('is shown once it is made, by the replica that made it and by the other', async () => {
    const { id, version } = await upload();
    expect(await typeOf(first(id))).toBe('image/webp');
    await showsAvif(first(id));
    await stored(pictureKey(id, version, '32.webp'));
    expect(await typeOf(second(id))).toBe('image/webp');
    await showsAvif(second(id));
    const [one, other] = [await show(first(id)), await show(second(id))];
    expect([one.headers.etag, one.body]).toEqual([other.headers.etag, other.body]);
    expect(await madeBySecond()).toBe(0);
  });

  it('is not waited for if it has vanished from the storage: another format is shown meanwhile', async () => {
    const { id, version } = await upload();
    await showsAvif(first(id));
    const key = pictureKey(id, version, '32.avif');
    await openBackend(environment).delete(key);
    const { headers } = await show(first(id));
    expect([headers['content-type'], headers.etag]).toEqual(['image/webp', `"${version}/32.webp"`]);
    await showsAvif(first(id));
    expect(await openBackend(environment).exists(key)).toBe(true);
  });
});
