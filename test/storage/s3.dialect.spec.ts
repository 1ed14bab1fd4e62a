import { PreconditionFailed } from '../../src/storage/object-store.js';
import { probeDialect } from '../../src/storage/s3/dialect.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { startImpostor } from '../support/impostor.js';
import { startDialect } from '../support/dialect.js';
import { type TestS3, createBucket, s3Client, storeOptions, testS3 } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';

const probe = async (s3: TestS3) =>
  probeDialect(s3Client(s3), await createBucket(s3), AbortSignal.timeout(120_000));

describe('the probe of a server', () => {
  describe('on s3rver, which ignores preconditions', () => {
    let fake: TestS3;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      ({ stop, ...fake } = await startS3rver());
    });
    afterAll(() => stop());

    it('finds none', async () => {
      expect(await probe(fake)).toEqual({ ifMatch: 'none', etags: 'md5' });
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

  it.each(['md5', 'opaque'] as const)('tells whether etags are MD5 sums: %s', async (etags) => {
    const { stop, ...impostor } = await startImpostor({ etags });
    try {
      expect(await probe(impostor)).toEqual({ ifMatch: 'quoted', etags });
    } finally {
      await stop();
    }
  });

  if (testS3) {
    const s3 = testS3;

    it('finds them honoured by the real server', async () => {
      expect(['quoted', 'unquoted']).toContain((await probe(s3)).ifMatch);
    });

    it.each(['quoted', 'unquoted'] as const)(
      'tells quoted etags from unquoted ones: %s',
      async (spelling) => {
        const { endpoint, stop } = await startDialect(s3, spelling);
        try {
          expect(await probe({ ...s3, endpoint })).toMatchObject({ ifMatch: spelling });
          const store = new S3Store(storeOptions(s3, await createBucket(s3), { endpoint }));
          const { etag } = await store.store('a/b', Buffer.from('1'));
          await store.store('a/b', Buffer.from('2'), { ifMatch: etag });
          await expect(store.store('a/b', Buffer.from('3'), { ifMatch: etag })).rejects.toBeInstanceOf(
            PreconditionFailed,
          );
        } finally {
          await stop();
        }
      },
    );
  }
});
