// Finds out what a bucket does when several write and read the same object at the same time.
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3';
import { clientOf } from './s3-servers/client.mjs';

/**
 * Runs the trials of the service, each for so long, in a bucket of their own that is removed.
 * @param {Record<string, string>} environment TEST_S3_*
 * @param {number} seconds for each trial
 * @returns {Promise<{ ifMatch: 'quoted' | 'unquoted' | 'none', races: import('../../src/storage/trials/races.js').RaceResult[],
 *   reads: import('../../src/storage/trials/reads-beside-writes.js').ReadResult, sound: boolean }>} ifMatch: how the server wants
 *   the etag of an If-Match written; `none`: it ignores preconditions, and no race is run
 */
export async function measureServer(environment, seconds) {
  // The runner has built them.
  const { S3Store } = await built('storage/s3/s3.store.js');
  const { probeDialect } = await built('storage/s3/dialect.js');
  const { hold, raceToCreate, raceToReplace } = await built('storage/trials/races.js');
  const { readBesideWrites } = await built('storage/trials/reads-beside-writes.js');

  const bucket = `visage-compat-${randomUUID()}`;
  const client = clientOf(environment);
  let discarded = 0;
  const open = (endpoint) =>
    new S3Store({ ...storeOptions(environment), bucket, endpoint, onDiscardedRead: () => discarded++ });
  // Several endpoints are gateways to the same buckets.
  const stores = (environment.TEST_S3_ENDPOINTS ?? environment.TEST_S3_ENDPOINT).split(',').map(open);
  const bound = () => ({ until: globalThis.AbortSignal.timeout(seconds * 1000) });

  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  try {
    const { ifMatch } = await probeDialect(client, bucket, globalThis.AbortSignal.timeout(60_000));
    const races =
      ifMatch === 'none' ? [] : [await raceToCreate(stores, bound()), await raceToReplace(stores, bound())];
    const reads = await readBesideWrites(stores[0], { ...bound(), discarded: () => discarded });
    const sound = ifMatch !== 'none' && races.every(hold) && reads.torn + reads.mixed + reads.failed === 0;
    return { ifMatch, races, reads, sound };
  } finally {
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    client.destroy();
  }
}

const built = (path) => import(resolve('dist', path));

function storeOptions({ TEST_S3_REGION: region = 'us-east-1', ...environment }) {
  const credentials = {
    accessKeyId: environment.TEST_S3_ACCESS_KEY_ID,
    secretAccessKey: environment.TEST_S3_SECRET_ACCESS_KEY,
  };
  return { region, usePathStyle: true, credentials, timeoutMs: 10_000, attempts: 3 };
}
