import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { PreconditionFailed } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3.store.js';
import { probeConditionalWrites } from '../../src/storage/s3.conditional-writes.js';
import { statusOf } from '../../src/storage/s3.outcome.js';
import { type TestS3, createBucket, s3Client, storeOptions, testS3 } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';

const probe = async (s3: TestS3) =>
  probeConditionalWrites(s3Client(s3), await createBucket(s3), AbortSignal.timeout(10_000));

describe('the probe of conditional writes', () => {
  describe('on s3rver, which ignores preconditions', () => {
    let fake: TestS3;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      ({ stop, ...fake } = await startS3rver());
    });
    afterAll(() => stop());

    it('finds none, and leaves no object behind', async () => {
      expect(await probe(fake)).toBe('none');
    });

    it('makes the driver compare by itself, and say so', async () => {
      const store = new S3Store(storeOptions(fake, await createBucket(fake)));
      expect(await store.check()).toEqual({ conditionalWrites: 'emulated' });
      const racers = Array.from({ length: 20 }, (_, i) =>
        store.store('a/b', Buffer.from(String(i)), { ifAbsent: true }).then(
          () => 'won',
          (error: unknown) => {
            if (error instanceof PreconditionFailed) return 'lost';
            throw error;
          },
        ),
      );
      expect((await Promise.all(racers)).filter((racer) => racer === 'won')).toHaveLength(1);
      await expect(store.store('a/b', Buffer.from('x'), { ifMatch: '"other"' })).rejects.toBeInstanceOf(
        PreconditionFailed,
      );
    });
  });

  if (testS3) {
    const s3 = testS3;

    it('finds them honoured by the real server', async () => {
      expect(['quoted', 'unquoted']).toContain(await probe(s3));
    });

    it('tells quoted etags from unquoted ones', async () => {
      const dialect = await probe(s3);
      const other = await startOtherDialect(s3);
      try {
        expect(await probe({ ...s3, endpoint: other.url })).toBe(
          dialect === 'quoted' ? 'unquoted' : 'quoted',
        );
        const store = new S3Store(storeOptions(s3, await createBucket(s3), { endpoint: other.url }));
        const { etag } = await store.store('a/b', Buffer.from('1'));
        await store.store('a/b', Buffer.from('2'), { ifMatch: etag });
        await expect(store.store('a/b', Buffer.from('3'), { ifMatch: etag })).rejects.toBeInstanceOf(
          PreconditionFailed,
        );
      } finally {
        other.stop();
      }
    });
  }
});

/**
 * The real server as one that wants If-Match spelt the other way. Signatures cover the header, so each write is sent anew.
 */
async function startOtherDialect(s3: TestS3): Promise<{ url: string; stop: () => void }> {
  const client = s3Client(s3);
  const respell = (etag: string) => (etag.startsWith('"') ? etag.slice(1, -1) : `"${etag}"`);
  const forward = async (request: IncomingMessage, response: ServerResponse) => {
    const [, bucket = '', ...segments] = (request.url ?? '').split('?', 1)[0]?.split('/') ?? [];
    const object = { Bucket: bucket, Key: segments.join('/') };
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
    try {
      if (request.method === 'DELETE') await client.send(new DeleteObjectCommand(object));
      else {
        const put = {
          ...object,
          Body: await buffer(request),
          ...(ifMatch !== undefined && { IfMatch: respell(ifMatch) }),
          ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
        };
        response.setHeader('ETag', (await client.send(new PutObjectCommand(put))).ETag ?? '');
      }
      response.writeHead(200);
    } catch (error) {
      response.writeHead(statusOf(error) ?? 500);
    }
    response.end();
  };
  const server = createServer((request, response) => void forward(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
