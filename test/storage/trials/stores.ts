import { setImmediate } from 'node:timers/promises';
import { sha256Hex } from '../../../src/model/sha256.js';
import { MemoryStore } from '../../../src/storage/memory.store.js';
import type { StoreOptions, StoredObject } from '../../../src/storage/object-store.js';
import { PreconditionFailed } from '../../../src/storage/object-store.js';

/** A store that looks first and writes a moment later: conditional writes hold one after the other, and not in races. */
export class RacingStore extends MemoryStore {
  override async store(
    key: string,
    bytes: Buffer,
    { ifAbsent, ifMatch }: StoreOptions = {},
  ): Promise<{ etag: string }> {
    const present = (await this.get(key)) as StoredObject | undefined;
    await setImmediate();
    if (ifAbsent && present) throw new PreconditionFailed(key);
    if (ifMatch !== undefined && present?.etag !== ifMatch) throw new PreconditionFailed(key);
    return super.store(key, bytes);
  }
}

/** A store that takes every write and keeps the first. */
export class ForgetfulStore extends MemoryStore {
  private writes = 0;

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    if (options.ifMatch === undefined || ++this.writes % 8 !== 1) return super.store(key, bytes, options);
    const object = (await this.get(key)) as StoredObject;
    return { etag: object.etag };
  }
}

/** A store whose reads beside writes mix the bytes of two of them. */
export class TearingStore extends MemoryStore {
  private before: Buffer | undefined;

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    const object = (await this.get(key)) as StoredObject | undefined;
    this.before = object?.bytes;
    await setImmediate();
    const { etag } = await super.store(key, bytes, options);
    await setImmediate();
    this.before = undefined;
    return { etag };
  }

  override async get(key: string): Promise<StoredObject | 'unchanged' | undefined> {
    const object = await super.get(key);
    if (object === undefined || object === 'unchanged' || !this.before) return object;
    return { ...object, bytes: Buffer.concat([this.before.subarray(0, 70), object.bytes.subarray(70)]) };
  }
}

/** A store whose reads beside writes have the etag of the write that is under way, and no checksum that would show it. */
export class MixingStore extends MemoryStore {
  private next: string | undefined;

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    this.next = sha256Hex(bytes);
    await setImmediate();
    const stored = await super.store(key, bytes, options);
    this.next = undefined;
    return stored;
  }

  override async get(key: string): Promise<StoredObject | 'unchanged' | undefined> {
    const object = await super.get(key);
    if (object === undefined || object === 'unchanged') return object;
    return { ...object, etag: this.next ?? object.etag };
  }
}
