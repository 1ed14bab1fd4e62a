import { setTimeout as sleep } from 'node:timers/promises';
import { pictureKey } from '../../src/model/keys.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { painted, reference } from '../support/pictures.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

/** In px; none of the sizes. */
const EDGE = 100;

const NAMES = [
  ...['master.jpeg', '64.webp', '70.png', '100.png', '128.png', '1024.png', '100.jpeg', '1024.jpeg'],
  ...['64-still.webp', '16.gif', '16-still.gif'],
];

describe.each(backends)('a version on $name that has left the history', (backend) => {
  let environment: Environment;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await backend.environment()), AVATAR_WARM_SIZES: '0', AVATAR_HISTORY: '1' };
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const keys = async (id: string, version: string) => {
    const found = [];
    for await (const { key } of openBackend(environment).list(pictureKey(id, version, ''))) found.push(key);
    return found;
  };
  const upload = async (client: AvatarClient, color: number) => {
    const picture = painted(EDGE, EDGE, reference(EDGE, EDGE));
    const body = await picture.tint({ r: color, g: 90, b: 90 }).jpeg().toBuffer();
    return versionOf(expectStatus(201, await client.upload(body)));
  };

  it('has the same pictures under the same names as before, and no more of them are stored', async () => {
    const id = `avatar-${++count}`;
    const client = new AvatarClient(service.url, id);
    const version = await upload(client, 10);
    const ask = async (name: string) => {
      const { headers, body } = expectStatus(200, await client.get(`/${version}/${name}`));
      return [name, headers.etag, headers['content-type'], headers['cache-control'], body];
    };
    const asked = [];
    for (const name of NAMES) asked.push(await ask(name));
    await upload(client, 200);
    // Nothing is in memory, and nothing is on its way to the storage.
    await service.stop();
    service = await startService(environment);
    const stored = await keys(id, version);
    const again = new AvatarClient(service.url, id);
    for (const [name, ...before] of asked) {
      const { headers, body } = expectStatus(200, await again.get(`/${version}/${String(name)}`));
      const after = [headers.etag, headers['content-type'], headers['cache-control'], body];
      expect([name, ...after]).toEqual([name, ...before]);
    }
    for (const name of ['master.webp', 'master.png', '5.png']) {
      expectStatus(404, await again.get(`/${version}/${name}`));
    }
    await again.get(`/${version}/256.avif`);
    await again.get(`/${version}/48.webp`);
    await service.stop();
    service = await startService(environment);
    expect(await keys(id, version)).toEqual(stored);
  });

  it('is gone once it is deleted, although its master is still in memory', async () => {
    const id = `avatar-${++count}`;
    const client = new AvatarClient(service.url, id);
    const version = await upload(client, 10);
    const etag = expectStatus(200, await client.get(`/${version}/64.webp`)).headers.etag ?? '';
    await upload(client, 200);
    while ((await keys(id, version)).length < 2) await sleep(10);
    await openBackend(environment).deleteMany(await keys(id, version));
    for (const name of NAMES) expectStatus(404, await client.get(`/${version}/${name}`));
    const known = await client.send({ suffix: `/${version}/64.webp`, headers: { 'if-none-match': etag } });
    expect(known.status).toBe(404);
    expect(await keys(id, version)).toEqual([]);
  });
});
