import { type Readable, addAbortSignal } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { LRUCache } from 'lru-cache';
import { sha256Hex } from '../../model/sha256.js';
import { type DriverOptions, ObjectDamaged, StorageUnavailable, type StoredObject } from '../object-store.js';
import { type Bucket, notS3 } from './bucket.js';
import { compare, compareWithOurs } from './checksums.js';
import type { ServerDialect } from './dialect.js';
import { isMissingObject, statusOf } from './s3-errors.js';

/** An object with the user metadata of the same answer. */
export interface ReadObject extends StoredObject {
  metadata: Record<string, string>;
}

/** An object that was written longer ago is at rest, in ms. Servers mix up only what is being replaced. */
const AT_REST_AFTER_MS = 60_000;
/**
 * How long the server has to repeat an answer that does not match before an object at rest counts as damaged,
 * in ms.
 */
const DAMAGED_AFTER_MS = 1000;
/** How often, at least. */
const DAMAGED_AFTER_READS = 3;
/** How long a damaged object is remembered, in ms. Meanwhile nobody waits to find it out again. */
const DAMAGE_KNOWN_MS = 10_000;
/** How many are remembered. */
const MAX_DAMAGED = 1000;
/** The longest pause before the next read, in ms. */
const MAX_PAUSE_MS = 200;

interface Answer {
  stated: GetObjectCommandOutput;
  bytes: Buffer;
}

/** Reads objects whole: what does not match its etag or checksum is read again. */
export class ObjectReader {
  private readonly damaged = new LRUCache<string, string>({ max: MAX_DAMAGED, ttl: DAMAGE_KNOWN_MS });

  constructor(
    private readonly bucket: Bucket,
    private readonly dialect: ServerDialect,
    private readonly onDiscardedRead: DriverOptions['onDiscardedRead'],
  ) {}

  /**
   * Reads an object until its bytes match, or the deadline is over. The server is asked again at once, and
   * then after growing pauses.
   * @returns `unchanged` if it still has the etag `ifNoneMatch`; undefined if there is none
   * @throws ObjectDamaged the server repeats the same answer, which does not match, until the deadline, or
   * for a second if nobody has written to the object lately; StorageUnavailable its answers differed, and
   * none matched; what the SDK throws
   */
  async read(
    key: string,
    deadline: AbortSignal,
    ifNoneMatch?: string,
  ): Promise<ReadObject | 'unchanged' | undefined> {
    let doubt: Doubt | undefined;
    for (let discarded = 0; ; discarded++) {
      try {
        if (doubt) await sleep(Math.min(10 * (discarded - 1), MAX_PAUSE_MS), undefined, { signal: deadline });
        const answer = await this.readAnswer(key, deadline, ifNoneMatch);
        if (answer === undefined || answer === 'unchanged') return answer;
        const { stated, bytes } = answer;
        if ((await compare(bytes, stated, this.dialect)) !== 'mixed') return objectOf(answer);
        this.onDiscardedRead?.(key);
        doubt = sameOrNew(doubt, answer);
        if (this.damaged.get(key) === doubt.answer) throw new ObjectDamaged(key);
        if (!isSettled(doubt) || !this.isAtRest(stated)) continue;
        // Nobody writes to the object. If it is as we stored it, its etag is no MD5 although others of the
        // bucket are.
        if (compareWithOurs(bytes, stated) === 'whole') return objectOf(answer);
      } catch (error) {
        if (!doubt || !deadline.aborted) throw error;
        const changed = doubt.reads < discarded || doubt.reads < DAMAGED_AFTER_READS;
        if (changed) throw neverMatched(key, error);
      }
      this.damaged.set(key, doubt.answer);
      throw new ObjectDamaged(key);
    }
  }

  /** Whether nobody has written to an object lately, as far as both clocks agree. */
  private isAtRest({ LastModified: at }: GetObjectCommandOutput): boolean {
    return at !== undefined && this.bucket.now() - at.getTime() > AT_REST_AFTER_MS;
  }

  private async readAnswer(
    key: string,
    deadline: AbortSignal,
    ifNoneMatch: string | undefined,
  ): Promise<Answer | 'unchanged' | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await readOnce(this.bucket, key, deadline, ifNoneMatch);
      } catch (error) {
        // The SDK has repeated requests that failed before the headers. A body that breaks off is ours to
        // repeat.
        const again = error instanceof BodyBroken && attempt < this.bucket.attempts && !deadline.aborted;
        if (!again) throw error;
      }
    }
  }
}

/** An answer that did not match, and how long the server has repeated it. */
interface Doubt {
  /** Tells the answer from others. */
  answer: string;
  since: number;
  reads: number;
}

function sameOrNew(before: Doubt | undefined, { stated, bytes }: Answer): Doubt {
  const answer = `${stated.ETag ?? ''} ${sha256Hex(bytes)}`;
  if (before?.answer === answer) return { ...before, reads: before.reads + 1 };
  return { answer, since: performance.now(), reads: 1 };
}

function isSettled({ since, reads }: Doubt): boolean {
  return reads >= DAMAGED_AFTER_READS && performance.now() - since >= DAMAGED_AFTER_MS;
}

function neverMatched(key: string, cause: unknown): StorageUnavailable {
  const reason = `until STORAGE_S3_TIMEOUT_MS the server gave bytes of ${key} that do not belong to their etag`;
  return new StorageUnavailable(new Error(reason, { cause }));
}

function objectOf({ stated, bytes }: Answer): ReadObject {
  const { ETag: etag, LastModified: modifiedAt = new Date(0), Metadata: metadata = {} } = stated;
  if (etag === undefined) throw notS3();
  return { bytes, etag, modifiedAt, metadata };
}

async function readOnce(
  bucket: Bucket,
  key: string,
  abortSignal: AbortSignal,
  ifNoneMatch: string | undefined,
): Promise<Answer | 'unchanged' | undefined> {
  let stated;
  try {
    const command = new GetObjectCommand({
      ...bucket.at(key),
      ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
    });
    stated = await bucket.client.send(command, { abortSignal });
  } catch (error) {
    if (statusOf(error) === 304) return 'unchanged';
    if (isMissingObject(error)) return undefined;
    throw error;
  }
  return { stated, bytes: await readBody(stated.Body as Readable, stated.ContentLength, abortSignal) };
}

/** The answer began well, and its body did not arrive whole. */
class BodyBroken extends Error {}

async function readBody(body: Readable, length: number | undefined, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of addAbortSignal(signal, body)) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new BodyBroken('the body broke off', { cause: error });
  }
  const bytes = Buffer.concat(chunks);
  if (length !== undefined && bytes.length !== length) {
    throw new BodyBroken(`the body has ${bytes.length} of ${length} bytes`);
  }
  return bytes;
}
