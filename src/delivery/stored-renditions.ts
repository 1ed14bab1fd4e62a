import { Injectable, Logger } from '@nestjs/common';
import { AvatarObjects } from '../avatars/avatar.objects.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { damageOf } from '../avatars/damage.js';
import { PendingChanges } from '../avatars/pending-changes.js';
import { isErased, versionNamed } from '../model/manifest.js';
import { type PictureRef, keyOfPicture } from '../model/rendition.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import {
  type CallOptions,
  ObjectDamaged,
  ObjectStore,
  StorageBusy,
  isAway,
} from '../storage/object-store.js';

/** A picture as the store has it. */
export interface StoredPicture {
  bytes: Buffer;
  /** Describes the damage in a sentence; undefined if there is none. */
  damage: string | undefined;
}

/** Reads and stores masters and renditions. Masters may still wait in the outbox. */
@Injectable()
export class StoredRenditions {
  private readonly logger = new Logger(StoredRenditions.name);
  /** Pictures on their way to the store, by key. */
  private readonly keeping = new Map<string, Promise<boolean>>();

  constructor(
    private readonly store: ObjectStore,
    private readonly repository: AvatarRepository,
    private readonly objects: AvatarObjects,
    private readonly pending: PendingChanges,
  ) {}

  /**
   * Reads a picture from the outbox or the store.
   * @returns undefined if it is not there
   * @throws what the store throws
   */
  async get(picture: PictureRef, options?: CallOptions): Promise<StoredPicture | undefined> {
    const { id, version, rendition } = picture;
    const pending = await this.pending.master(id, version);
    if (pending) {
      const isMaster = rendition.size === undefined && rendition.format === pending.version.master;
      return isMaster ? { bytes: pending.bytes, damage: undefined } : undefined;
    }
    const object = await getUnlessDamaged(this.store, keyOfPicture(picture), options);
    if (object === 'damaged') return { bytes: Buffer.alloc(0), damage: ObjectDamaged.REASON };
    if (object === undefined || object === 'unchanged') return undefined;
    return { bytes: object.bytes, damage: this.damageOf(object.bytes, picture) };
  }

  /**
   * Stores a picture. Callers that want the same one stored at the same time share the work.
   * @returns whether it is there; false if its version was erased
   */
  keep(picture: PictureRef, bytes: Buffer): Promise<boolean> {
    const key = keyOfPicture(picture);
    const underWay = this.keeping.get(key);
    if (underWay) return underWay;
    if (this.isErased(picture)) return Promise.resolve(false);
    const keeping = this.storeUnlessErased(picture, bytes).finally(() => this.keeping.delete(key));
    this.keeping.set(key, keeping);
    return keeping;
  }

  /**
   * Stores a rendition without making anybody wait. It can always be made again, so a failure is only logged.
   * @returns whether it is there
   */
  keepInBackground(picture: PictureRef, bytes: Buffer): Promise<boolean> {
    return this.keep(picture, bytes).catch((error: unknown) => {
      const passing = isAway(error) || error instanceof StorageBusy;
      this.logger[passing ? 'debug' : 'warn'](
        { key: keyOfPicture(picture), err: error },
        'a rendition could not be stored: it is made again when it is needed',
      );
      return false;
    });
  }

  /**
   * Whether the store has a picture, or has it as soon as it is stored.
   * @returns false if its version was erased
   */
  has(picture: PictureRef): Promise<boolean> {
    const key = keyOfPicture(picture);
    // It may be replacing a damaged one.
    const keeping = this.keeping.get(key);
    if (keeping) return keeping;
    return this.isErased(picture) ? Promise.resolve(false) : this.store.exists(key);
  }

  /** Makes sure that the store has a picture. @returns whether it has; false if its version was erased */
  async ensure(picture: PictureRef, bytes: Buffer): Promise<boolean> {
    return (await this.has(picture)) || this.keep(picture, bytes);
  }

  /** Whether a master that is not in the store should be there, by the manifest that the store has now. */
  async isLost({ id, version, master }: PictureRef): Promise<boolean> {
    return versionNamed(await this.repository.readFresh(id), version)?.master === master;
  }

  /** Whether a picture is known to be erased. Looks at memory only. */
  isErased({ id, version }: PictureRef): boolean {
    return this.repository.knowsErased(id, version);
  }

  /** Resolves once none of these pictures is being stored. */
  async waitFor(isMeant: (key: string) => boolean): Promise<void> {
    const meant = [...this.keeping].filter(([key]) => isMeant(key));
    await Promise.allSettled(meant.map(([, keeping]) => keeping));
  }

  private async storeUnlessErased({ id, version, rendition }: PictureRef, bytes: Buffer): Promise<boolean> {
    const read = async () => ({ manifest: await this.repository.readFresh(id) });
    const { manifest } = await this.objects.storeUnlessErased(id, version, rendition, bytes, read);
    return !isErased(manifest, version);
  }

  /**
   * Checks a picture. Only masters have a checksum, in the manifest; a rendition can only be checked to be
   * complete.
   */
  private damageOf(
    bytes: Buffer,
    { id, version, rendition: { size, format } }: PictureRef,
  ): string | undefined {
    const manifest = size === undefined ? this.repository.lastKnown(id) : undefined;
    const known = manifest && versionNamed(manifest, version);
    return damageOf(bytes, format, known?.master === format ? known : undefined);
  }
}
