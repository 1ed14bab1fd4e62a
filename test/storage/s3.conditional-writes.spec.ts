import { PreconditionFailed } from '../../src/storage/object-store.js';
import { probeConditionalWrites } from '../../src/storage/s3/conditional-writes.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { startDialect } from '../support/dialect.js';
import { type TestS3, createBucket, s3Client, storeOptions, testS3 } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';

const probe = async (s3: TestS3) =>
  probeConditionalWrites(s3Client(s3), await createBucket(s3), AbortSignal.timeout(120_000));

describe('the probe of conditional writes', () => {
  describe('on s3rver, which ignores preconditions', () => {
    let fake: TestS3;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      ({ stop, ...fake } = await startS3rver());
    });
    afterAll(() => stop());

    it('finds none', async () => {
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

    it.each(['quoted', 'unquoted'] as const)(
      'tells quoted etags from unquoted ones: %s',
      async (spelling) => {
        const { endpoint, stop } = await startDialect(s3, spelling);
        try {
          expect(await probe({ ...s3, endpoint })).toBe(spelling);
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
