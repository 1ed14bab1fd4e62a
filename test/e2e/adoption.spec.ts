import { setTimeout as sleep } from 'node:timers/promises';
import { ADOPTION_COMPLETE, ADOPTION_RUNNING } from '../../src/model/keys.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { AvatarClient, expectStatus, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { LEGACY, leaveUpload } from '../support/older-service.js';
import { SECRET, painted, reference, talkative } from '../support/pictures.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';

const READ = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a55';
const ERASED = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a57';
const BROKEN_OFF = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a58';
const OLD = '01900000-0000-7000-8000-000000000001';
const NEW = '01900000-0001-7000-8000-000000000001';
const NEWEST = '01900000-0002-7000-8000-000000000001';

describe.each(backends)('what the older service left on $name', (backend) => {
  let shared: Environment;
  /** Of the avatar that is erased: nothing else is in it. */
  let emptied: Environment;
  let brokenOff: Buffer;
  let services: [replica: RunningService, other: RunningService, ofEmptied: RunningService];

  beforeAll(async () => {
    [shared, emptied] = await Promise.all([backend.environment(), backend.environment()]);
    const left = [READ, BROKEN_OFF].map((user) => leave(shared, user));
    await Promise.all([...left, leave(emptied, ERASED)]);
    brokenOff = await painted(64, 64, reference(64, 64)).jpeg({ quality: 50 }).toBuffer();
    await openBackend(shared).store(`avatars/${BROKEN_OFF}/${NEW}/master.jpeg`, brokenOff);
    const environments = [shared, shared, emptied].map((each) => ({ ...each, CACHE_MAX_AGE_MS: '0' }));
    services = (await startServices(environments)) as typeof services;
    await Promise.all([shared, emptied].map((each) => adopted(openBackend(each))));
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  async function leave(environment: Environment, user: string): Promise<void> {
    const store = openBackend(environment);
    await store.store(`avatars/${user}/${OLD}.png`, await numbered(1));
    await store.store(
      `avatars/${user}/${NEW}.jpg`,
      await talkative(painted(64, 64, reference(64, 64)), 'jpeg'),
    );
    await store.store(`avatars/${user}/${NEWEST}.png`, Buffer.from('not a picture'));
  }

  /** Waits until the services say that nothing is left. */
  async function adopted(store: ObjectStore): Promise<void> {
    while (!(await store.exists(ADOPTION_COMPLETE))) await sleep(20);
  }

  it('is shown without a migration step: the newest upload that is a picture, made safe', async () => {
    for (const { url } of services.slice(0, 2)) {
      const client = new AvatarClient(url, READ);
      const answer = expectStatus(200, await client.get());
      expect(answer.headers.etag).toBe(`"${NEW}/master.jpeg"`);
      expect(answer.body.includes(SECRET) || answer.body.includes('Exif')).toBe(false);
      expect(jsonOf(await client.get('/info'))).toMatchObject({ version: NEW });
      expect((await client.versions()).versions).toHaveLength(1);
    }
  });

  it('is adopted by one of the replicas, which says what it refused', async () => {
    const logs = services.slice(0, 2).map((service) => service.log());
    for (const user of [READ, BROKEN_OFF]) {
      for (const line of [`${user}/${NEW}.*adopted an avatar`, `${user}/${NEWEST}.*cannot be adopted`]) {
        expect(logs.map((log) => log.match(new RegExp(line, 'g'))?.length ?? 0).sort()).toEqual([0, 1]);
      }
    }
    // The last thing that the replica does, after it said that nothing is left.
    while (await openBackend(shared).exists(ADOPTION_RUNNING)) await sleep(20);
  });

  it('is shown after an earlier adoption was broken off in the middle', async () => {
    for (const { url } of services.slice(0, 2)) {
      const shown = expectStatus(200, await new AvatarClient(url, BROKEN_OFF).get());
      expect(shown.body.equals(brokenOff)).toBe(true);
    }
  });

  it('stays deleted after a delete, and is removed by an erasure', async () => {
    const client = new AvatarClient(services[2].url, ERASED);
    expectStatus(204, await client.delete());
    expectStatus(404, await client.get());
    expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ objects: 4 });
    expectStatus(404, await client.get());
    const left: string[] = [];
    for await (const { key } of openBackend(emptied).list('avatars/')) left.push(key);
    expect(left).toEqual([]);
  });
});

describeS3('what the older service left, while it cannot be looked for', () => {
  it('is adopted before the first change, so that the history has it', async () => {
    const environment = await s3Environment();
    await leaveUpload(environment, 'early');
    const { proxy, environment: behind } = await behindProxy(environment);
    // The one who adopts looks for all avatars at once.
    const refused = { type: 'error', status: 403, code: 'AccessDenied' } as const;
    proxy.rule({ operation: 'PutObject', key: /^adoption\//, fault: refused });
    const service = await startService(behind);
    const client = new AvatarClient(service.url, 'early');
    expectStatus(404, await client.get());
    const version = versionOf(expectStatus(201, await client.upload(await numbered(2))));
    expect(await client.versions()).toMatchObject({
      current: version,
      versions: [{ version }, { version: LEGACY }],
    });
    await service.logged(/not all pictures of the older service could be adopted/);
    await service.stop();
    await proxy.stop();
  });
});
