// A real S3 server for the tests: the one that TEST_S3_ENDPOINT names, or one that is started here and ends with the run.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { run, succeed } from './processes.mjs';

const MINIO_IMAGE = process.env.MINIO_IMAGE ?? 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z';
const CEPH = 'test/support/ceph-rgw.sh';
const DELETES_AT_ONCE = 16;

/**
 * Starts a server, or takes the given one.
 * @param {string} scratch the folder of the run
 * @param {string} buckets the prefix of the run's bucket names
 * @returns {Promise<{ environment: Record<string, string>, stop: () => Promise<void> }>} the variables that tell the tests where
 *   the server is
 */
export async function openS3Server(scratch, buckets) {
  const { TEST_S3_ENDPOINT, TEST_S3_SERVER } = process.env;
  if (TEST_S3_ENDPOINT) {
    console.log(`S3 server: ${TEST_S3_ENDPOINT}, as TEST_S3_ENDPOINT says`);
    return { environment: {}, stop: () => removeBuckets(buckets) };
  }
  switch (TEST_S3_SERVER) {
    case 'minio':
      return startMinio('as TEST_S3_SERVER says');
    case 'ceph':
      return startCeph(scratch, 'as TEST_S3_SERVER says');
    case undefined:
    case '':
      return (await engineAnswers())
        ? startMinio('since a container engine answers; TEST_S3_SERVER=ceph chooses Ceph')
        : startCeph(scratch, 'since no container engine answers; TEST_S3_SERVER=minio chooses MinIO');
    default:
      throw new Error(`TEST_S3_SERVER is ceph or minio, not ${TEST_S3_SERVER}`);
  }
}

async function engineAnswers() {
  try {
    return (await run('sh', ['-c', 'docker info >/dev/null 2>&1'], { quiet: true })).code === 0;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

async function startCeph(scratch, why) {
  console.log(`S3 server: Ceph RGW on this machine, ${why}`);
  const folder = join(scratch, 'ceph');
  const stop = () => succeed(CEPH, ['down', folder], { quiet: true, toTheEnd: true });
  try {
    const variables = await succeed(CEPH, ['up', folder, '2'], { quiet: true });
    return { environment: parseVariables(variables), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startMinio(why) {
  console.log(`S3 server: MinIO in a container, ${why}`);
  const [name, user, password] = [`visage-test-${randomUUID()}`, randomUUID(), randomUUID()];
  const secrets = { ...process.env, MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: password };
  const stop = async () => {
    await run('docker', ['rm', '--force', '--volumes', name], { quiet: true, toTheEnd: true });
  };
  const options = ['--detach', '--rm', '--name', name, '--publish', '127.0.0.1::9000'];
  const variables = ['--env', 'MINIO_ROOT_USER', '--env', 'MINIO_ROOT_PASSWORD'];
  try {
    await succeed('docker', ['run', ...options, ...variables, MINIO_IMAGE, 'server', '/data'], {
      env: secrets,
      quiet: true,
    });
    const published = await succeed('docker', ['port', name, '9000'], { quiet: true });
    await succeed('docker', ['exec', name, 'mc', 'ready', 'local'], { quiet: true });
    const environment = {
      TEST_S3_ENDPOINT: `http://127.0.0.1:${published.trim().split(':').at(-1)}`,
      TEST_S3_ACCESS_KEY_ID: user,
      TEST_S3_SECRET_ACCESS_KEY: password,
    };
    return { environment, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** For a server that outlives the run. */
async function removeBuckets(prefix) {
  const {
    TEST_S3_ENDPOINT,
    TEST_S3_REGION = 'us-east-1',
    TEST_S3_ACCESS_KEY_ID = '',
    TEST_S3_SECRET_ACCESS_KEY = '',
  } = process.env;
  const client = new S3Client({
    endpoint: TEST_S3_ENDPOINT,
    region: TEST_S3_REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: TEST_S3_ACCESS_KEY_ID, secretAccessKey: TEST_S3_SECRET_ACCESS_KEY },
  });
  const limit = pLimit(DELETES_AT_ONCE);
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  for (const { Name: Bucket = '' } of Buckets) {
    if (!Bucket.startsWith(prefix)) continue;
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
      await limit.map(Contents, ({ Key }) => client.send(new DeleteObjectCommand({ Bucket, Key })));
    }
    await client.send(new DeleteBucketCommand({ Bucket }));
  }
  client.destroy();
}

function parseVariables(text) {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
