import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { PROBES } from '../../model/keys.js';
import { Once } from '../../tools/once.js';
import type { Bucket } from './bucket.js';
import { type Etags, md5Hex, md5Stated } from './checksums.js';
import { statusOf } from './s3-errors.js';

/** What servers of S3 do differently. */
export interface Dialect {
  /**
   * How the etag of an If-Match is written. `none`: the server ignores conditional writes, or does not know
   * them.
   */
  ifMatch: 'quoted' | 'unquoted' | 'none';
  etags: Etags;
}

/** Knows the dialect of the server behind a bucket. A probe learns it once. */
export class ServerDialect {
  private probing = this.newProbe();
  private learnedAt = -Infinity;

  /** @param learnAgainAfterMs how old the result of a probe is before `etagsNow` repeats it */
  constructor(
    private readonly bucket: Bucket,
    private readonly learnAgainAfterMs = 10_000,
  ) {}

  readonly etags = async (): Promise<Etags> => (await this.learn()).etags;

  /**
   * The same by another probe, unless the last one was just now: the encryption of a bucket can be changed at
   * any time.
   */
  readonly etagsNow = async (): Promise<Etags> => {
    const known = this.probing;
    if (performance.now() - this.learnedAt > this.learnAgainAfterMs) this.probing = this.newProbe();
    try {
      return (await this.learn()).etags;
    } catch (error) {
      // What was known before may still be right.
      if (!known.hasBegun) throw error;
      this.probing = known;
      return (await known.run()).etags;
    }
  };

  /** Starts the probe unless it has run. A probe that fails is repeated for the next caller. */
  learn(): Promise<Dialect> {
    return this.probing.run();
  }

  private newProbe(): Once<Dialect> {
    return new Once(() => {
      const { bucket } = this;
      this.learnedAt = performance.now();
      return bucket.withDeadline((deadline) => probeDialect(bucket.client, bucket.name, deadline));
    });
  }
}

/** How a put with a precondition ended. */
type Put = { etag: string; isMd5: boolean } | 'failed' | 'not implemented';

/**
 * Finds out how the server behind a bucket takes conditional writes and makes etags, with an object of its
 * own that it removes again. `none` needs proof: the server takes a write that had to fail, or knows no
 * preconditions (501).
 * @throws what the SDK throws if a write fails for another reason than its precondition; an Error if the
 * answers contradict one another, as they do when a reply was lost on the way and the SDK repeated the
 * request
 */
export async function probeDialect(
  client: S3Client,
  bucket: string,
  abortSignal: AbortSignal,
): Promise<Dialect> {
  for (let attempt = 1; ; attempt++) {
    const found = await probeOnce(client, { Bucket: bucket, Key: `${PROBES}${randomUUID()}` }, abortSignal);
    if (found !== undefined) return found;
    if (attempt === ATTEMPTS) throw new Error('the answers to conditional writes contradict one another');
  }
}

const ATTEMPTS = 3;

/** @returns undefined if the answers contradict one another */
async function probeOnce(
  client: S3Client,
  object: { Bucket: string; Key: string },
  abortSignal: AbortSignal,
): Promise<Dialect | undefined> {
  let written = 0;
  const put = async (precondition: { IfNoneMatch?: string; IfMatch?: string }): Promise<Put> => {
    const body = Buffer.from(
      `written by Visage to learn what conditional writes do here, and removed at once (${++written})`,
    );
    try {
      const command = new PutObjectCommand({ ...object, ...precondition, Body: body });
      const answer = await client.send(command, { abortSignal });
      return { etag: answer.ETag ?? '', isMd5: md5Stated(answer) === md5Hex(body) };
    } catch (error) {
      // 501: AWS documents it for stores that do not implement a header.
      if (statusOf(error) === 501) return 'not implemented';
      if (statusOf(error) === 412) return 'failed';
      throw error;
    }
  };
  try {
    const first = await put({ IfNoneMatch: '*' });
    // The etags of a server without preconditions are of no use for swaps, and its objects have a checksum of
    // ours.
    if (first === 'not implemented') return { ifMatch: 'none', etags: 'opaque' };
    if (first === 'failed') return undefined;
    const etags = first.isMd5 ? 'md5' : 'opaque';
    for (const failing of [{ IfNoneMatch: '*' }, { IfMatch: '"00000000000000000000000000000000"' }]) {
      if ((await put(failing)) !== 'failed') return { ifMatch: 'none', etags };
    }
    if (isTaken(await put({ IfMatch: first.etag }))) return { ifMatch: 'quoted', etags };
    const unquoted = await put({ IfMatch: first.etag.replaceAll('"', '') });
    return isTaken(unquoted) ? { ifMatch: 'unquoted', etags } : undefined;
  } finally {
    await client.send(new DeleteObjectCommand(object), { abortSignal });
  }
}

function isTaken(put: Put): boolean {
  return typeof put === 'object';
}
