import { openBackend } from '../support/backend.js';
import { AvatarClient, expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { SECRET, painted, reference, talkative } from '../support/pictures.js';

const USER = '7c4f0f86-6b0f-4f0e-9c4e-0d3b0f1b2a55';
const OLD = '01900000-0000-7000-8000-000000000001';
const NEW = '01900000-0001-7000-8000-000000000001';
const NEWEST = '01900000-0002-7000-8000-000000000001';

describe.each(backends)('what the older service left on $name', (backend) => {
  let environment: Environment;
  let service: RunningService;

  beforeEach(async () => {
    environment = { ...(await backend.environment()), CACHE_MAX_AGE_MS: '0' };
    const store = openBackend(environment);
    await store.store(`avatars/${USER}/${OLD}.png`, await numbered(1));
    await store.store(
      `avatars/${USER}/${NEW}.jpg`,
      await talkative(painted(64, 64, reference(64, 64)), 'jpeg'),
    );
    await store.store(`avatars/${USER}/${NEWEST}.png`, Buffer.from('not a picture'));
    service = await startService(environment);
  });
  afterEach(() => service.stop());

  it('is served without any step: the newest that is a picture, made safe', async () => {
    const client = new AvatarClient(service.url, USER);
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.get()));
    for (const answer of answers) {
      expect([answer.status, answer.headers.etag]).toEqual([200, `"${NEW}/master.jpeg"`]);
      expect(answer.body.includes(SECRET) || answer.body.includes('Exif')).toBe(false);
    }
    expect(jsonOf(await client.get('/info'))).toMatchObject({ version: NEW });
    await service.logged(/cannot be adopted/);
  });

  it('is the same on two replicas that adopt it at the same time', async () => {
    const other = await startService(environment);
    const clients = [service, other].map(({ url }) => new AvatarClient(url, USER));
    const answers = await Promise.all(clients.map((client) => client.get()));
    expect(answers.map(({ headers }) => headers.etag)).toEqual([
      `"${NEW}/master.jpeg"`,
      `"${NEW}/master.jpeg"`,
    ]);
    expect((await clients[0]?.versions())?.versions).toHaveLength(1);
    await other.stop();
  });

  it('stays deleted once it was, and goes with an erasure', async () => {
    const client = new AvatarClient(service.url, USER);
    expectStatus(204, await client.delete());
    expectStatus(404, await client.get());
    expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ objects: 4 });
    expectStatus(404, await client.get());
    const left: string[] = [];
    for await (const { key } of openBackend(environment).list('avatars/')) left.push(key);
    expect(left).toEqual([]);
  });
});
