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
  const [unsigned, query] = (await urls.presigned(KEY, 600)).split('?');
  expect(unsigned).toBe(plain);
  expect(query).toContain('X-Amz-Expires=600');
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
