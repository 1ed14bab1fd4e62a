import { Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import { renditionName } from '../delivery/rendition.js';
import { attributes } from '../delivery/renditions.js';
import type { MasterFormat } from '../images/image-pipeline.js';
import { type ListedObject, type ObjectStore, PreconditionFailed } from '../storage/object-store.js';
import { type GarbageRules, collectable } from './garbage.js';
import { pictureKey, prefixOf, versionOf } from './keys.js';
import { type Manifest, type Version, isErased } from './manifest.js';

/** Objects deleted at the same time. */
const CONCURRENCY = 8;

/** What a sweep removed. */
export interface Swept {
  objects: number;
  bytes: number;
}

/** The pictures of an avatar in the store: its masters, and all of them together. */
export class AvatarObjects {
  private readonly logger = new Logger(AvatarObjects.name);

  constructor(
    private readonly store: ObjectStore,
    private readonly rules: Omit<GarbageRules, 'now'>,
  ) {}

  /**
   * Stores a master under its own key, unless one is there already.
   * @returns the bytes that are there: others than the given ones only if an earlier adoption of this version made them
   */
  async storeMaster(id: string, version: Version, bytes: Buffer): Promise<Buffer> {
    const key = masterKey(id, version);
    try {
      const options = { ifAbsent: true, ...attributes({ format: version.master }) } as const;
      await this.store.store(key, bytes, options);
      return bytes;
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
    }
    const object = await this.store.get(key);
    return object === undefined || object === 'unchanged' ? bytes : object.bytes;
  }

  hasMaster(id: string, version: Version): Promise<boolean> {
    return this.store.exists(masterKey(id, version));
  }

  /** Removes a master that no manifest names. Where that fails it is for the garbage collection. */
  async discard(id: string, version: Version): Promise<void> {
    const key = masterKey(id, version);
    try {
      await this.store.delete(key);
    } catch (error) {
      this.logger.warn({ key, err: error }, 'an unused master could not be deleted');
    }
  }

  /**
   * Deletes all that an erasure took away, and everything under the avatar's prefix that is no picture of a version.
   * @param manifest the one that holds the erasure
   */
  async sweep(manifest: Manifest): Promise<Swept> {
    const erased = (await this.list(manifest.id)).filter(({ key }) => {
      const version = versionOf(key);
      return version === undefined || isErased(manifest, version);
    });
    await this.deleteAll(erased.map(({ key }) => key));
    return { objects: erased.length, bytes: erased.reduce((sum, { size }) => sum + size, 0) };
  }

  /** Deletes what left the history long enough ago. A failure is for the log: the next change of the avatar tries again. */
  async collect(manifest: Manifest): Promise<void> {
    try {
      const objects = await this.list(manifest.id);
      await this.deleteAll(collectable(objects, manifest, { ...this.rules, now: Date.now() }));
    } catch (error) {
      this.logger.warn({ id: manifest.id, err: error }, 'old versions could not be deleted');
    }
  }

  private async list(id: string): Promise<ListedObject[]> {
    const objects = [];
    for await (const object of this.store.list(prefixOf(id))) objects.push(object);
    return objects;
  }

  private async deleteAll(keys: readonly string[]): Promise<void> {
    const limit = pLimit(CONCURRENCY);
    await Promise.all(keys.map((key) => limit(() => this.store.delete(key))));
  }
}

export function masterKey(
  id: string,
  { version, master }: { version: string; master: MasterFormat },
): string {
  return pictureKey(id, version, renditionName({ format: master }));
}
