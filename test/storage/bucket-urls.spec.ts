import { S3Client } from '@aws-sdk/client-s3';
import { BucketUrls } from '../../src/storage/s3/bucket-urls.js';
import { type S3ClientOptions, openClient } from '../../src/storage/s3/s3-client.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';

const OPTIONS: S3ClientOptions = {
  region: 'eu-central-1',
  usePathStyle: false,
  credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
  timeoutMs: 1000,
  attempts: 1,
};
const KEY = "avatars/~4de/a!'()*+,-.:=@_/64.webp";
const ESCAPED = 'avatars/~4de/a%21%27%28%29%2A%2B%2C-.%3A%3D%40_/64.webp';

it.each<[name: string, bucket: string, options: Partial<S3ClientOptions>, base: string]>([
  ['AWS', 'pictures', {}, 'https://pictures.s3.eu-central-1.amazonaws.com'],
  ['AWS in path style', 'pictures', { usePathStyle: true }, 'https://s3.eu-central-1.amazonaws.com/pictures'],
  [
    'a name that no certificate covers',
    'my.pictures',
    {},
    'https://s3.eu-central-1.amazonaws.com/my.pictures',
  ],
  ['another server', 'pictures', { endpoint: 'https://s3.example' }, 'https://pictures.s3.example'],
  [
    'another server in path style, with a port and a folder',
    'pictures',
    { endpoint: 'http://s3.example:9000/base/', usePathStyle: true },
    'http://s3.example:9000/base/pictures',
  ],
])('URLs of a bucket at %s', async (_, bucket, options, base) => {
  const urls = new BucketUrls(openClient({ ...OPTIONS, ...options }), bucket);
  const plain = await urls.plain(KEY);
  expect(plain).toBe(`${base}/${ESCAPED}`);
  const [unsigned, query] = (await urls.presigned(KEY, 600, Date.now())).url.split('?');
  expect(unsigned).toBe(plain);
  expect(query).toContain('X-Amz-Expires=600');
});

/** The start of a window for every life of a URL here. */
const START = Date.parse('2026-11-26T12:00:00Z');

/** Of a replica of its own. */
function presigned(now: number, expiresIn: number, expiration?: Date, accessKeyId = 'key') {
  const credentials = {
    ...OPTIONS.credentials,
    accessKeyId,
    secretAccessKey: 'secret',
    sessionToken: 'token',
  };
  const provider = () => Promise.resolve({ ...credentials, ...(expiration && { expiration }) });
  const client = new S3Client({ region: 'eu-central-1', credentials: provider });
  return new BucketUrls(client, 'pictures').presigned(KEY, expiresIn, now);
}

it.each([
  [600, 300],
  [3600, 1800],
  [7, 3],
  [3, 1],
  [2, 1],
  [1, 1],
  [604_800, 302_400],
])('a URL that works for %i s is the same for %i s, from every replica', async (expiresIn, window) => {
  const start = Math.floor(START / 1000 / window) * window * 1000;
  const first = await presigned(start, expiresIn);
  expect(first.expiresAt).toEqual(new Date(start + expiresIn * 1000));
  expect(first.url).toContain(`X-Amz-Expires=${expiresIn}&`);
  expect(await presigned(start + window * 1000 - 1, expiresIn)).toEqual(first);
  const next = await presigned(start + window * 1000, expiresIn);
  expect(next.url).not.toBe(first.url);
  expect(next.expiresAt).toEqual(new Date(start + (window + expiresIn) * 1000));
});

it.each([
  ['after the signature ends', 3_601_000, 3_600_000],
  ['before the signature ends', 1_799_000, 1_799_000],
  ['within seconds', 2000, 2000],
  ['already', -1000, -1000],
])('a URL says when it stops working if the credentials expire %s', async (_, expiration, expected) => {
  const { url, expiresAt } = await presigned(START, 3600, new Date(START + expiration));
  expect(expiresAt).toEqual(new Date(START + expected));
  expect(url).toContain('X-Amz-Expires=3600&');
  expect(url).toContain('X-Amz-Security-Token=token&');
});

it('new credentials give a new URL', async () => {
  const { url } = await presigned(START, 3600, new Date(START + 60_000));
  expect((await presigned(START, 3600, new Date(START + 90_000), 'other')).url).not.toBe(url);
});

it.each([
  ['http://s3.example:9000', 'http://s3.example:9000'],
  ['https://user:hush@s3.example/base/?token=hush', 'https://s3.example/base'],
  [undefined, 'AWS eu-central-1'],
])('the location of a bucket at %s shows no secret', (endpoint, shown) => {
  expect(new S3Store({ ...OPTIONS, endpoint, bucket: 'pictures' }).location).toBe(
    `bucket pictures at ${shown}`,
  );
});
