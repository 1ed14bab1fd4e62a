import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { isNoAlias, targetOf, writeAlias } from '../model/alias.js';
import { aliasKey } from '../model/keys.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import {
  type GetOptions,
  ObjectStore,
  PreconditionFailed,
  type StoredObject,
  isAway,
} from '../storage/object-store.js';
import { type Read, UNVERIFIED } from './read.js';
import { type Known, ReadMemory, type Stored } from './read-memory.js';
import { isFresh, isKeepable } from './read-token.js';

/** Memory of an entry, generously: a hash, an id and the objects around them. */
const ENTRY_BYTES = 512;

/** An alias as the store has it. Without an etag it is damaged. */
export type Pointer = Pick<StoredObject, 'bytes'> & { etag?: string };

/** The id that an alias leads to; undefined if to none. */
type Target = string | undefined;

/** The objects of aliases, each of which points at an id. Knows nothing of manifests. */
@Injectable()
export class AliasPointers {
  private readonly memory: ReadMemory<Target>;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {
    this.memory = new ReadMemory<Target>(
      {
        maxBytes: cacheSharesOf(settings).aliases,
        bytesOf: () => ENTRY_BYTES,
        tokenOf: (id) => ({ maxAgeMs: this.maxAgeOf(id) }),
      },
      settings,
    );
  }

  /**
   * The id that an alias points at, whether that counts or not: at most `CACHE_MAX_AGE_MS` old. That it
   * points at none may be as old as `cacheUnknownHashMs`.
   * @throws CodedError `manifest_unreadable`, and what the store throws
   */
  async readCached(name: string): Promise<Read<Target>> {
    try {
      const { value, token } = await this.memory.freshOrRead(name, (known) => this.load(name, known));
      return { value, verified: isKeepable(token), tokens: isFresh(token) ? [token] : undefined };
    } catch (error) {
      const known = isAway(error) ? this.memory.stale(name) : undefined;
      if (!known) throw error;
      return { value: known.value, ...UNVERIFIED };
    }
  }

  /**
   * Whether an alias points at an id, at most `CACHE_MAX_AGE_MS` ago. A damaged one may, so it does.
   * @throws what the store throws
   */
  async leadsTo(name: string, id: string): Promise<boolean> {
    try {
      const { value } = await this.readCached(name);
      if (value !== undefined) return value === id;
      // It may have been registered elsewhere since this process read that it points at none.
      return (await this.memory.read(name, (known) => this.load(name, known))).value === id;
    } catch (error) {
      if (error instanceof CodedError && error.code === 'manifest_unreadable') return true;
      throw error;
    }
  }

  /** Reads a pointer, for a change of it. */
  async read(name: string): Promise<Pointer | undefined> {
    const pointer = await this.get(name, { forChange: true });
    return pointer === 'unchanged' ? undefined : pointer;
  }

  /**
   * Replaces a pointer.
   * @param id undefined: by one that leads to nobody
   * @param before undefined: there was none
   * @returns undefined if it is another one by now
   */
  async swap(
    name: string,
    id: string | undefined,
    before: Pointer | undefined,
  ): Promise<{ etag: string } | undefined> {
    const bytes = writeAlias(id, randomUUID());
    const precondition =
      before === undefined
        ? { ifAbsent: true as const }
        : before.etag !== undefined && { ifMatch: before.etag };
    try {
      return await this.store.store(aliasKey(name), bytes, { ...precondition, ...MANIFEST_ATTRIBUTES });
    } catch (error) {
      if (error instanceof PreconditionFailed) return undefined;
      throw error;
    }
  }

  /**
   * Remembers what this process has stored, or found just now.
   * @param begunAt when the call to the store began, by the monotonic clock in ms
   * @param before what it replaced
   */
  remember(
    name: string,
    id: string,
    etag: string | undefined,
    begunAt: number,
    before: Pointer | undefined,
  ): void {
    this.memory.written(name, { value: id, etag }, begunAt, before?.etag);
  }

  forget(name: string): void {
    this.memory.forget(name);
  }

  /** Deletes a pointer that has led to nobody for long. One that leads to an avatar by now stays. */
  async discard(name: string): Promise<void> {
    const pointer = await this.read(name);
    if (pointer && isNoAlias(pointer)) await this.store.delete(aliasKey(name));
  }

  /** Anybody can ask for any number of hashes that stand for nobody, and nobody misses a new one at once. */
  private maxAgeOf(id: string | undefined): number {
    const { cacheMaxAgeMs, cacheUnknownHashMs } = this.settings;
    return id === undefined ? Math.max(cacheMaxAgeMs, cacheUnknownHashMs) : cacheMaxAgeMs;
  }

  /**
   * Asks only whether a known pointer has changed: such calls do not queue behind those for hashes that
   * anybody can make up.
   */
  private async load(name: string, known: Known<Target> | undefined): Promise<Stored<Target>> {
    const object = await this.get(name, { ...(known?.etag !== undefined && { ifNoneMatch: known.etag }) });
    return object === 'unchanged' && known ? known : aliasOf(object);
  }

  /** A damaged object counts as one that holds no alias: whoever registers the hash again replaces it. */
  private async get(name: string, options: GetOptions): Promise<Pointer | 'unchanged' | undefined> {
    const object = await getUnlessDamaged(this.store, aliasKey(name), options);
    return object === 'damaged' ? { bytes: Buffer.alloc(0) } : object;
  }
}

/** @throws CodedError `manifest_unreadable` */
function aliasOf(object: Pointer | 'unchanged' | undefined): Stored<Target> {
  if (object === undefined || object === 'unchanged') return { value: undefined, etag: undefined };
  const id = targetOf(object);
  if (id !== undefined || isNoAlias(object)) return { value: id, etag: object.etag };
  throw new CodedError('manifest_unreadable', 'The record of this hash is damaged. Register it again.');
}
