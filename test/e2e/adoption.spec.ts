import { AvatarClient, expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { SECRET, painted, reference, talkative } from '../support/pictures.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';

const READ = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a55';
const READ_TWICE = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a56';
const ERASED = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a57';
const BROKEN_OFF = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a58';
const OLD = '01900000-0000-7000-8000-000000000001';
const NEW = '01900000-0001-7000-8000-000000000001';
const NEWEST = '01900000-0002-7000-8000-000000000001';

describe.each(backends)('what the older service left on $name', (backend) => {
  let shared: Environment;
  /** Of the avatar that is erased: nothing else is in it. */
  let emptied: Environment;
  let services: [replica: RunningService, other: RunningService, ofEmptied: RunningService];

  beforeAll(async () => {
    [shared, emptied] = await Promise.all([backend.environment(), backend.environment()]);
    const left = [READ, READ_TWICE, BROKEN_OFF].map((user) => leave(shared, user));
    await Promise.all([...left, leave(emptied, ERASED)]);
    const environments = [shared, shared, emptied].map((each) => ({ ...each, CACHE_MAX_AGE_MS: '0' }));
    services = (await startServices(environments)) as typeof services;
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

  it('is served without a migration step: the newest upload that is a picture, made safe', async () => {
    const [service] = services;
    const client = new AvatarClient(service.url, READ);
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.get()));
    for (const answer of answers) {
      expect([answer.status, answer.headers.etag]).toEqual([200, `"${NEW}/master.jpeg"`]);
      expect(answer.body.includes(SECRET) || answer.body.includes('Exif')).toBe(false);
    }
    expect(jsonOf(await client.get('/info'))).toMatchObject({ version: NEW });
    await service.logged(new RegExp(`${READ}/${NEWEST}.*cannot be adopted`));
  });

  it('becomes the same version on two replicas that adopt it at the same time', async () => {
    const clients = services.slice(0, 2).map(({ url }) => new AvatarClient(url, READ_TWICE));
    const answers = await Promise.all(clients.map((client) => client.get()));
    expect(answers.map(({ headers }) => headers.etag)).toEqual([
      `"${NEW}/master.jpeg"`,
      `"${NEW}/master.jpeg"`,
    ]);
    expect((await clients[0]?.versions())?.versions).toHaveLength(1);
  });

  it('is shown after an earlier release stopped in the middle of adopting it', async () => {
    const made = await painted(64, 64, reference(64, 64)).jpeg({ quality: 50 }).toBuffer();
    const [service, replica] = services;
    await openBackend(shared).store(`avatars/${BROKEN_OFF}/${NEW}/master.jpeg`, made);
    for (const { url } of [service, replica]) {
      expect(expectStatus(200, await new AvatarClient(url, BROKEN_OFF).get()).body.equals(made)).toBe(true);
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
