import { PutObjectCommand } from '@aws-sdk/client-s3';
import { manifestKey } from '../../src/model/keys.js';
import { statusOf } from '../../src/storage/s3/s3-errors.js';
import { local } from '../support/local.js';
import { s3Client, testS3 } from '../support/s3.js';
import type { Environment } from '../support/service.js';
import { problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';

const INVALID = { status: 400, code: 'invalid_id', parameter: 'id' };
const VERSION = '01890000-0000-7000-8000-000000000000';

const IDS = [
  '..',
  '.',
  '.hidden',
  '~tilde',
  '@sign',
  '%7Cbar',
  ':colon',
  '+plus',
  '=equals',
  '%2e%2e',
  '%2e%2e%2f',
  '%2e%2e%2fmanifests%2fbob',
  '..%5c..%5cbob',
  '%252e%252e%252f',
  'bob%00',
  '%00',
  'bob%00.png',
  'bob%0a',
  'bob%0d%0aX-Evil:%201',
  'b%C3%B6b',
  '%F0%9F%98%80',
  'bob%20',
  'bob*',
  'bob%3F',
  'a'.repeat(81),
  'a'.repeat(1000),
];

describe('ids outside their alphabet', () => {
  let environment: Environment;
  let harness: Harness;

  beforeAll(async () => {
    environment = await local.environment();
    harness = await Harness.start(environment);
  });
  afterAll(() => harness.stop());

  it.each(IDS.map((id) => [id.slice(0, 40), id]))('refuses %s in all operations', async (_, id) => {
    await harness.leavesNothing(async () => {
      const path = `/v1/avatars/${id}`;
      const body = await picture('png');
      const answers = [
        await harness.put(path, { body }),
        await harness.send({ method: 'POST', path, body }),
        await harness.send({ method: 'DELETE', path }),
        await harness.send({ path }),
        await harness.send({ path: `${path}/exists` }),
        await harness.send({ path: `${path}/url` }),
        await harness.send({ path: `${path}/info` }),
        await harness.send({ path: `${path}/${VERSION}/master.jpeg` }),
      ];
      expect(answers.map(problemOf)).toEqual(answers.map(() => INVALID));
    });
  });

  it.each(['Bob', 'bob.', 'bob~2E', 'bob~61', 'bob~', 'bob~2', '~2e~2e', '~00', '~2e~2e~2f'])(
    'refuses the spelling %s in an immutable URL',
    async (written) => {
      await harness.leavesNothing(async () => {
        const answer = await harness.send({ path: `/v1/avatars/${written}/${VERSION}/master.jpeg` });
        expect(problemOf(answer)).toEqual(INVALID);
      });
    },
  );

  it.each([
    ['an escape that is none', 400, '/v1/avatars/%zz'],
    ['half an escape', 400, '/v1/avatars/%'],
    ['an id of 5000 characters', 414, `/v1/avatars/${'a'.repeat(5000)}`],
    ['no id', 404, '/v1/avatars/'],
    ['two slashes', 404, '//v1/avatars/a'],
    ['a path that climbs', 404, '/v1/avatars/../../../../etc/passwd'],
  ])('answers %s with a problem', async (_, status, path) => {
    await harness.leavesNothing(async () => {
      expect(problemOf(await harness.send({ path })).status).toBe(status);
      expect(problemOf(await harness.put(path, { body: await picture('png') })).status).toBe(status);
    });
  });

  it('accepts an id of 80 characters from the whole alphabet', async () => {
    const path = await uploaded('aZ9._~@|:+=-'.padEnd(80, 'a'));
    expect((await harness.send({ method: 'DELETE', path })).status).toBe(204);
  });

  it.each(['-', '_', '-dash', '_underscore', '--erase', '__proto__', '-_.~'])(
    'accepts %s as an id, in every call',
    async (id) => {
      const path = await uploaded(id);
      const avatar = { id, default: false };
      const body = JSON.stringify({ ids: [id] });
      const found = await harness.send({ method: 'POST', path: '/v1/avatars/lookup', body });
      expect(JSON.parse(found.body.toString())).toMatchObject({
        avatars: Object.fromEntries([[id, avatar]]),
      });
      const map = await harness.send({ path: `/v1/sheets?format=json&ids=${id}` });
      expect(JSON.parse(map.body.toString())).toMatchObject({ tiles: [avatar] });
      const aliases = await harness.put(`${path}/aliases`, { body: '{"emails":["dash@example.org"]}' });
      const [hash = ''] = (JSON.parse(aliases.body.toString()) as { hashes: string[] }).hashes;
      expect((await harness.send({ path: `/avatar/${hash}?d=404` })).status).toBe(200);
      const erased = await harness.send({ method: 'DELETE', path: `${path}?erase=true` });
      expect(JSON.parse(erased.body.toString())).toMatchObject({ id, aliases: 2 });
    },
  );

  it('accepts the id with the longest key, and changes its avatar if the server can replace such an object', async () => {
    const id = 'A'.repeat(80);
    const path = await uploaded(id);
    if (await canReplace(environment, manifestKey(`B${id.slice(1)}`))) {
      expect((await harness.send({ method: 'DELETE', path })).status).toBe(204);
      expect((await harness.send({ method: 'DELETE', path: `${path}?erase=true` })).status).toBe(200);
    }
  });

  /** @returns the path of the avatar */
  const uploaded = async (id: string) => {
    const path = `/v1/avatars/${id}`;
    expect((await harness.put(path, { body: await picture('png') })).status).toBe(201);
    const info = await harness.send({ path: `${path}/info` });
    const { urls } = JSON.parse(info.body.toString()) as { urls: Record<string, string> };
    expect((await harness.send({ path: new URL(urls['master'] ?? '').pathname })).status).toBe(200);
    return path;
  };
});

/** versitygw takes a name of more than 227 bytes once, and replaces such an object only with --disableotmp: docs/buckets.md. */
async function canReplace({ STORAGE_S3_BUCKET: bucket }: Environment, key: string): Promise<boolean> {
  if (bucket === undefined || !testS3) return true;
  const put = new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'of another program' });
  await s3Client(testS3).send(put);
  try {
    await s3Client(testS3).send(put);
    return true;
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    return false;
  }
}
