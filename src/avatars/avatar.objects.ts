import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { collectable } from '../model/garbage.js';
import { pictureKey, prefixOf, versionOf } from '../model/keys.js';
import { type Manifest, type Version, isErased } from '../model/manifest.js';
import { attributes } from '../model/object-attributes.js';
import { type Rendition, masterKey, renditionName } from '../model/rendition.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import { type ListedObject, ObjectStore, PreconditionFailed } from '../storage/object-store.js';
import { damageOf } from './damage.js';

/** Counts what a sweep removed. */
export interface Swept {
  objects: number;
  bytes: number;
}

/** Stores, checks and deletes the pictures of an avatar. */
@Injectable()
export class AvatarObjects {
  private readonly logger = new Logger(AvatarObjects.name);

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {}

  /**
   * Stores a picture, and deletes it again if its version was erased meanwhile: the erasure may have listed
   * the objects before the picture was there. Every picture of an avatar is stored by this function. If the
   * deletion fails, the log says so, and `visage verify --repair` or `visage gc` deletes it later.
   * @param after runs once the picture is stored. It returns the manifest as it is then; for a master, the
   * one that its commit left. It gets the bytes in the store, which for a master differ from the given ones
   * if an earlier adoption made the same version
   * @returns what `after` returned
   * @throws what the store and `after` throw; the picture then stays, since the version may be committed
   */
  async storeUnlessErased<Result extends { manifest: Manifest }>(
    id: string,
    version: string,
    rendition: Rendition,
    bytes: Buffer,
    after: (stored: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const key = pictureKey(id, version, renditionName(rendition));
    const isMaster = rendition.size === undefined;
    let stored = bytes;
    try {
      await this.store.store(key, bytes, { ...(isMaster && { ifAbsent: true }), ...attributes(rendition) });
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      const object = await this.store.get(key);
      if (object !== undefined && object !== 'unchanged') stored = object.bytes;
    }
    const result = await after(stored);
    if (isErased(result.manifest, version)) await this.deleteErased(key);
    return result;
  }

  /** Whether the store has the master of a version exactly as its manifest describes it. */
  async isSound(id: string, version: Version): Promise<boolean> {
    const object = await getUnlessDamaged(this.store, masterKey(id, version), { forChange: true });
    return typeof object === 'object' && damageOf(object.bytes, version.master, version) === undefined;
  }

  hasMaster(id: string, version: Version): Promise<boolean> {
    return this.store.exists(masterKey(id, version));
  }

  /** Removes a master that no manifest names. If that fails, the garbage collection removes it later. */
  async discard(id: string, version: Version): Promise<void> {
    const key = masterKey(id, version);
    try {
      await this.store.delete(key);
    } catch (error) {
      this.logger.warn(
        { key, err: error },
        'an unused master could not be deleted: `visage gc` will delete it',
      );
    }
  }

  /**
   * Deletes the pictures of erased versions, and everything under the avatar's prefix that is not a picture
   * of a version.
   * @param manifest the one that holds the erasure
   * @param dryRun only counts what would be deleted
   */
  async sweep(manifest: Manifest, dryRun = false): Promise<Swept> {
    const isGone = (version: string | undefined) => version === undefined || isErased(manifest, version);
    return this.deleteListed(prefixOf(manifest.id), isGone, dryRun);
  }

  /**
   * Deletes the pictures of a version, in either layout.
   * @param dryRun only counts what would be deleted
   */
  sweepVersion(id: string, version: string, dryRun = false): Promise<Swept> {
    return this.deleteListed(`${prefixOf(id)}${version}`, (one) => one === version, dryRun);
  }

  /**
   * Deletes versions that left the history long enough ago. If that fails, the log says so, and the next
   * upload tries again.
   */
  async collect(manifest: Manifest): Promise<void> {
    try {
      const { avatarGraceMs: graceMs, avatarHistory: history } = this.settings;
      const objects = await this.list(prefixOf(manifest.id));
      await this.deleteAll(collectable(objects, manifest, { graceMs, history, now: Date.now() }));
    } catch (error) {
      this.logger.warn(
        { id: manifest.id, err: error },
        'old versions could not be deleted: the next upload of the avatar tries again, and so does `visage gc`',
      );
    }
  }

  private async deleteErased(key: string): Promise<void> {
    try {
      await this.store.delete(key);
    } catch (error) {
      this.logger.error(
        { key, err: error },
        'an erased picture could not be deleted: run `visage gc` once the storage works',
      );
    }
  }

  private async deleteListed(
    prefix: string,
    isMeant: (version: string | undefined) => boolean,
    dryRun: boolean,
  ): Promise<Swept> {
    const meant = (await this.list(prefix)).filter(({ key }) => isMeant(versionOf(key)));
    if (!dryRun) await this.deleteAll(meant.map(({ key }) => key));
    return { objects: meant.length, bytes: meant.reduce((sum, { size }) => sum + size, 0) };
  }

  private async list(prefix: string): Promise<ListedObject[]> {
    const objects = [];
    for await (const object of this.store.list(prefix, { forChange: true })) objects.push(object);
    return objects;
  }

  private async deleteAll(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.store.deleteMany(keys);
  }
}
