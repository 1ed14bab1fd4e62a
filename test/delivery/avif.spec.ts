import { setTimeout as sleep } from 'node:timers/promises';
import { pictureKey } from '../../src/model/keys.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { describeS3 } from '../support/s3.js';
import { readMetrics, total } from '../support/scrape.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { until } from '../support/until.js';

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

describeS3('an AVIF that is made and not stored yet', () => {
  it('is not made once more for those who ask meanwhile', async () => {
    const { proxy, environment } = await behindProxy(await s3Environment());
    const service = await startService({ ...environment, AVATAR_WARM_SIZES: '0', CACHE_BYTES: '0' });
    const client = (id: string) => new AvatarClient(service.url, id);
    const show = async (id: string) =>
      expectStatus(200, await client(id).send({ suffix: '?size=32', headers: BROWSER }));
    const storing = (id: string) =>
      proxy.hold({ operation: 'PutObject', key: new RegExp(`/${id}/.+/32.avif$`) });
    const [version] = await Promise.all(
      ['one', 'other'].map(async (id) =>
        versionOf(expectStatus(201, await client(id).upload(await numbered(1)))),
      ),
    );

    const arrived = storing('one');
    await show('one');
    const held = await arrived;
    // Otherwise what is shown meanwhile is made twice.
    await until(() => openBackend(environment).exists(pictureKey('one', version ?? '', '32.webp')));
    await show('one');
    // They are made in turn: once the store is given this one, all that were planned before are made.
    const arrivedOther = storing('other');
    await show('other');
    (await arrivedOther).pass();
    const metrics = readMetrics(await (await fetch(`${service.url}/metrics`)).text());
    held.pass();
    await service.stop();
    await proxy.stop();
    // Each as AVIF, and as WebP meanwhile.
    expect(total(metrics, 'visage_pictures_total', { outcome: 'made', kind: 'rendition' })).toBe(4);
  });
});
