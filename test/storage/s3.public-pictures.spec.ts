import { readFileSync } from 'node:fs';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { createBucket, describeS3, s3Client, storeOptions, testS3 } from '../support/s3.js';

const VERSION = '01890000-0000-7000-8000-000000000000';
const PICTURE = pictureKey('alice', VERSION, '64.webp');
const OTHERS = [manifestKey('alice'), aliasKey('0'.repeat(32)), 'avatars/alice/original.jpg', 'probes/x'];
const LISTS = ['', '?list-type=2', `?list-type=2&prefix=${encodeURIComponent('avatars/')}`, '?policy'];

/** The policy that docs/buckets.md tells people to use, which is also that of the compose files. */
function documentedPolicy(bucket: string): string {
  const text = readFileSync('docs/buckets.md', 'utf8');
  const [, json = ''] = /^## Public pictures[\s\S]*?```json\n([\s\S]*?)```/m.exec(text) ?? [];
  return json.replaceAll('my-avatars', bucket);
}

describeS3('a bucket whose pictures are public', () => {
  const strangers: Record<string, number> = {};

  beforeAll(async () => {
    if (!testS3) return;
    const bucket = await createBucket(testS3);
    const store = new S3Store(storeOptions(testS3, bucket));
    for (const key of [PICTURE, ...OTHERS]) await store.store(key, Buffer.from('bytes'));
    const policy = { Bucket: bucket, Policy: documentedPolicy(bucket) };
    await s3Client(testS3).send(new PutBucketPolicyCommand(policy));
    const base = `${testS3.endpoint}/${bucket}`;
    for (const path of [PICTURE, ...OTHERS, ...LISTS]) {
      strangers[path] = (await fetch(`${base}/${path}`)).status;
    }
    const attempts = [fetch(`${base}/${PICTURE}`, { method: 'PUT', body: 'x' })];
    attempts.push(fetch(`${base}/${PICTURE}`, { method: 'DELETE' }));
    const [put, deletion] = await Promise.all(attempts);
    Object.assign(strangers, { PUT: put?.status, DELETE: deletion?.status });
  });

  it('shows a picture to everybody', () => {
    expect(strangers[PICTURE]).toBe(200);
  });

  it.each([...OTHERS, ...LISTS, 'PUT', 'DELETE'])('refuses strangers %j', (what) => {
    expect(strangers[what]).toBe(403);
  });
});
