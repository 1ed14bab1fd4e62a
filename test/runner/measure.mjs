// Finds out what a bucket does when several write and read the same object at the same time.
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { clientOf } from './s3-servers/client.mjs';

const WRITERS = 8;
const READERS = 4;

/**
 * In a bucket of its own, which it removes.
 * @param {Record<string, string>} environment TEST_S3_*
 * @param {number} seconds for the races, and again for the reads
 * @returns {Promise<{ probe: 'quoted' | 'unquoted' | 'none', races?: object, reads: object, sound: boolean }>} probe: how the etag of
 *   an If-Match is written; `none`: preconditions are ignored
 */
export async function measureServer(environment, seconds) {
  // One attempt each, because a repeated request blurs who won.
  const client = clientOf(environment, { maxAttempts: 1 });
  const object = { Bucket: `visage-compat-${randomUUID()}`, Key: 'raced' };
  await client.send(new CreateBucketCommand({ Bucket: object.Bucket }));
  try {
    // The build's own, which runs before every start.
    const { probeDialect } = await import(resolve('dist/storage/s3/dialect.js'));
    const { ifMatch: probe } = await probeDialect(
      client,
      object.Bucket,
      globalThis.AbortSignal.timeout(60_000),
    );
    const races = probe === 'none' ? undefined : await race(client, object, probe, seconds * 1000);
    const reads = await readBesideWrites(client, object, seconds * 1000);
    const sound = probe !== 'none' && races.twice === 0 && reads.mixed === 0 && reads.mismatched === 0;
    return { probe, races, reads, sound };
  } finally {
    await client.send(new DeleteObjectCommand(object));
    await client.send(new DeleteBucketCommand({ Bucket: object.Bucket }));
    client.destroy();
  }
}

/**
 * Rounds of writers that all want to create an object, and then all want to replace it.
 * @returns {Promise<{ rounds: number, twice: number }>} twice: rounds in which more than one writer was told that it succeeded
 */
async function race(client, object, probe, milliseconds) {
  const end = performance.now() + milliseconds;
  let [rounds, twice] = [0, 0];
  const round = async (precondition) => {
    const writers = Array.from({ length: WRITERS }, (_, i) =>
      client.send(new PutObjectCommand({ ...object, ...precondition, Body: `${rounds} ${i}` })).then(
        ({ ETag }) => ETag,
        () => undefined,
      ),
    );
    const winners = (await Promise.all(writers)).filter((etag) => etag !== undefined);
    rounds++;
    if (winners.length > 1) twice++;
    return winners[0];
  };
  while (performance.now() < end) {
    await client.send(new DeleteObjectCommand(object));
    const etag = await round({ IfNoneMatch: '*' });
    if (etag === undefined) continue;
    await round({ IfMatch: probe === 'unquoted' ? etag.replaceAll('"', '') : etag });
  }
  return { rounds, twice };
}

/**
 * One writer replaces an object again and again, while others read it.
 * @returns {Promise<{ count: number, mixed: number, mismatched: number, broken: number }>} mixed: reads with bytes of several writes;
 *   mismatched: with the etag or metadata of one write and the bytes of another; broken: that failed or ended early
 */
async function readBesideWrites(client, object, milliseconds) {
  const end = performance.now() + milliseconds;
  const etags = new Map();
  const reads = [];
  let broken = 0;
  const write = async (number) => {
    const command = new PutObjectCommand({
      ...object,
      Body: bodyOf(number),
      Metadata: { write: String(number) },
    });
    const { ETag } = await client.send(command);
    etags.set(number, ETag);
  };
  const read = async () => {
    while (performance.now() < end) {
      try {
        const { Body, ETag, Metadata } = await client.send(new GetObjectCommand(object));
        const bytes = Buffer.from(await Body.transformToByteArray());
        const number = Number(bytes.subarray(0, bytes.indexOf(' ')));
        reads.push({ number, whole: bytes.equals(bodyOf(number)), ETag, metadata: Number(Metadata.write) });
      } catch {
        broken++;
      }
    }
  };
  await write(0);
  const readers = Array.from({ length: READERS }, read);
  for (let number = 1; performance.now() < end; number++) await write(number);
  await Promise.all(readers);
  const whole = reads.filter((one) => one.whole);
  const matched = whole.filter(
    ({ number, ETag, metadata }) => ETag === etags.get(number) && metadata === number,
  );
  return {
    count: reads.length + broken,
    mixed: reads.length - whole.length,
    mismatched: whole.length - matched.length,
    broken,
  };
}

/** Of 20 to 270 KB, so that a body which is changed on the way is noticed. */
function bodyOf(number) {
  return Buffer.from(`${number} `.repeat(Number.isNaN(number) ? 0 : 10_000 + (number % 4) * 20_000));
}
