import { setTimeout as sleep } from 'node:timers/promises';
import { hashEmail } from '../../src/model/alias.js';
import { AvatarClient, expectStatus, idOf, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { describeS3 } from '../support/s3.js';
import { type RunningService, startService } from '../support/service.js';

/** What was read is soon too old. */
const MAX_AGE_MS = 2;

/** For how long the services that have the default believe what they know. */
const DEFAULT_AGE_MS = 1000;

describeS3('an answer of the bucket that arrives late', () => {
  let proxy: FaultProxy;
  let service: RunningService;
  /** With the default of CACHE_MAX_AGE_MS. */
  let usual: RunningService;

  beforeAll(async () => {
    const behind = await behindProxy(await s3Environment());
    proxy = behind.proxy;
    const settings = { ...behind.environment, AVATAR_WARM_SIZES: '0', CONSTANT_STORAGE_S3_ATTEMPTS: '1' };
    [service, usual] = await Promise.all([
      startService({ ...settings, CACHE_MAX_AGE_MS: String(MAX_AGE_MS) }),
      startService(settings),
    ]);
  });
  afterAll(async () => {
    await Promise.all([service.stop(), usual.stop()]);
    await proxy.stop();
  });

  it.each<[string, (client: AvatarClient) => Promise<unknown>, number]>([
    ['deleted', async (client) => expectStatus(204, await client.delete()), 404],
    ['replaced', async (client) => expectStatus(201, await client.upload(await numbered(2))), 200],
  ])('shows nobody the picture from before a change: %s', async (id, change, status) => {
    const client = new AvatarClient(service.url, id);
    expectStatus(201, await client.upload(await numbered(1)));
    // Of the master, which needs no other look at the manifest.
    const before = expectStatus(200, await client.get()).headers.etag;
    await sleep(2 * MAX_AGE_MS);
    const asked = proxy.hold({ operation: 'GetObject', key: `manifests/${id}.json` });
    const first = client.get('?animated=false');
    const reply = await (await asked).commitAndWait();
    await change(client);
    const later = client.get('?size=32');
    // Time enough to join the read of the first, which nobody should.
    await Promise.race([later, sleep(1000)]);
    reply();
    for (const answer of await Promise.all([first, later])) {
      expect(answer.status).toBe(status);
      expect(answer.headers.etag?.split('/')[0]).not.toBe(before?.split('/')[0]);
    }
  });

  it('to a write does not hide what others have built on it', async () => {
    const id = 'built-on';
    const [here, elsewhere] = [new AvatarClient(service.url, id), new AvatarClient(usual.url, id)];
    const written = proxy.hold({ operation: 'PutObject', key: `manifests/${id}.json` });
    const first = here.upload(await numbered(1));
    const replyToWrite = await (await written).commitAndWait();
    const second = versionOf(expectStatus(201, await elsewhere.upload(await numbered(2))));
    const asked = proxy.hold({ operation: 'GetObject', key: `manifests/${id}.json` });
    const read = here.get('/info');
    const replyToRead = await (await asked).commitAndWait();
    replyToWrite();
    expectStatus(201, await first);
    replyToRead();
    expect(versionOf(expectStatus(200, await read))).toBe(second);
  });

  it('to a registration that another avatar overtook: it takes the address again, and no older read hides that', async () => {
    const [hash = ''] = hashEmail('taken-over@example.org');
    const [here, elsewhere] = [new AvatarClient(service.url, 'first'), new AvatarClient(usual.url, 'second')];
    const written = proxy.hold({ operation: 'PutObject', key: `aliases/${hash}.json` });
    const registered = here.setAliases({ hashes: [hash] });
    const replyToWrite = await (await written).commitAndWait();
    expectStatus(200, await elsewhere.setAliases({ hashes: [hash] }));
    const asked = proxy.hold({ operation: 'GetObject', key: `aliases/${hash}.json` });
    const read = idOf(service.url, hash);
    const replyToRead = await (await asked).commitAndWait();
    replyToWrite();
    expectStatus(200, await registered);
    replyToRead();
    // Both were under way at the same time, and this one ended last.
    expect(await read).toBe('first');
    expect(await idOf(service.url, hash)).toBe('first');
    const overtaken = new AvatarClient(service.url, 'second');
    expect(jsonOf(await overtaken.get('/aliases'))).toMatchObject({ hashes: [] });
  });

  it('to a write is no younger than the write: what others did since then is seen in time', async () => {
    const id = 'written-late';
    const asked = proxy.hold({ operation: 'PutObject', key: `manifests/${id}.json` });
    const upload = new AvatarClient(usual.url, id).upload(await numbered(1));
    const reply = await (await asked).commitAndWait();
    expectStatus(200, await new AvatarClient(service.url, id).erase());
    await sleep(DEFAULT_AGE_MS);
    reply();
    const version = versionOf(expectStatus(201, await upload));
    // Its master is in the memory of this service.
    expectStatus(404, await new AvatarClient(usual.url, id).get(`/${version}/32.webp`));
  });
});
