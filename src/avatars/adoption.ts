import { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { isLegacy, prefixOf, timeOfVersion, versionOf } from '../model/keys.js';
import { type Manifest, type Version, isErased, mayAdopt } from '../model/manifest.js';
import { sha256Hex } from '../model/sha256.js';
import { ObjectStore } from '../storage/object-store.js';
import { SpooledUpload, tooLarge } from '../uploads/spooled-upload.js';
import { AdoptionMarker } from './adoption-marker.js';
import { AvatarObjects } from './avatar.objects.js';
import { ManifestSwap } from './manifest-swap.js';

/** A picture that the older service stored for an avatar: `avatars/<id>/<uuidv7>.<ext>`. */
interface Legacy {
  key: string;
  version: string;
  /** In bytes. */
  size: number;
}

/** How the search for a picture to adopt ended. */
export interface Adopted {
  /** The manifest after it; the one before if nothing was adopted. */
  manifest: Manifest;
  /** The key of the adopted picture, if one was. */
  key: string | undefined;
  /** Newer pictures that cannot be adopted, and why. */
  refused: { key: string; error: CodedError }[];
}

/**
 * Takes over avatars of the older service, from which Visage grew. It stored one object for each upload and
 * no manifest; the newest counts. An adopted picture is processed like an upload and keeps its name as a
 * version, so two replicas that adopt it make the same one.
 */
@Injectable()
export class Adoption {
  private readonly logger = new Logger(Adoption.name);

  constructor(
    private readonly store: ObjectStore,
    private readonly pipeline: ImagePipeline,
    private readonly manifests: ManifestSwap,
    private readonly objects: AvatarObjects,
    private readonly marker: AdoptionMarker,
    private readonly settings: Settings,
  ) {}

  /**
   * Adopts an avatar before something else is done to it, unless nothing is left to adopt.
   * @param manifest as the store has it
   * @returns the manifest after the adoption; the given one if there was nothing to adopt
   * @throws what the store throws
   */
  async ensure(manifest: Manifest): Promise<Manifest> {
    if (!mayAdopt(manifest) || (await this.marker.complete())) return manifest;
    return (await this.adoptNewest(manifest)).manifest;
  }

  /**
   * Adopts the newest readable picture of an avatar, if there is any. Logs what it adopts, and each refused
   * one at once: if an older one is adopted, nobody looks at it again.
   * @param manifest as the store has it; it has to be one that `mayAdopt` accepts
   * @throws what the store throws
   */
  async adoptNewest(manifest: Manifest): Promise<Adopted> {
    const { id } = manifest;
    const refused: Adopted['refused'] = [];
    for (const legacy of await this.legacy(id)) {
      try {
        const adopted = await this.adopt(id, legacy);
        if (!adopted) continue;
        const key = isErased(adopted, legacy.version) ? undefined : legacy.key;
        if (key !== undefined) this.logger.log({ id, key }, 'adopted an avatar of the older service');
        return { manifest: adopted, key, refused };
      } catch (error) {
        if (!(error instanceof CodedError && REFUSALS.has(error.code))) throw error;
        refused.push({ key: legacy.key, error });
        this.logger.warn(
          { key: legacy.key, err: error },
          'skipped a picture of the older service that cannot be adopted: upload another one',
        );
      }
    }
    return { manifest, key: undefined, refused };
  }

  /**
   * Makes a picture the version of that name. The name, a UUIDv7, holds the time of the upload.
   * @param picture is destroyed
   * @returns the manifest with it; without it if it was erased meanwhile, or the history is full of newer
   * versions
   * @throws CodedError if it would not be accepted as an upload
   */
  async publishAs(id: string, name: string, picture: Readable): Promise<Manifest> {
    const { uploadSpoolPath, avatarMaxSizeBytes } = this.settings;
    const spooled = new SpooledUpload(uploadSpoolPath, avatarMaxSizeBytes);
    try {
      await spooled.write(picture);
      const { bytes, format, ...facts } = await this.pipeline.makeMaster(spooled.path);
      const at = new Date(timeOfVersion(name)).toISOString();
      const origin = { version: name, source: spooled.digest(), master: format };
      const made: Version = { ...origin, ...facts, bytes: bytes.length, uploadedAt: at };
      const publish = (stored: Buffer) => {
        // Another replica, or an interrupted adoption, may have stored a master made by another release. The
        // first one stays.
        const version = { ...made, bytes: stored.length, sha256: sha256Hex(stored) };
        return this.manifests.change(id, () => ({ type: 'publish', at, version }));
      };
      const after = await this.objects.storeUnlessErased(id, name, { format }, bytes, publish);
      return after.manifest;
    } finally {
      picture.destroy();
      await spooled.discard();
    }
  }

  /** Lists what can be adopted, newest first. */
  private async legacy(id: string): Promise<Legacy[]> {
    const found: Legacy[] = [];
    for await (const { key, size } of this.store.list(prefixOf(id), { forChange: true })) {
      const version = isLegacy(key) ? versionOf(key) : undefined;
      if (version !== undefined) found.push({ key, version, size });
    }
    return found.reverse();
  }

  /**
   * Makes one picture a version.
   * @returns what `publishAs` returns; undefined if the picture is gone
   * @throws CodedError if it would not be accepted as an upload
   */
  private async adopt(id: string, { key, version, size }: Legacy): Promise<Manifest | undefined> {
    const { avatarMaxSizeBytes } = this.settings;
    if (size > avatarMaxSizeBytes) throw tooLarge(avatarMaxSizeBytes);
    const object = await this.store.get(key);
    if (object === undefined || object === 'unchanged') return undefined;
    return this.publishAs(id, version, Readable.from([object.bytes]));
  }
}

/** Codes that blame the picture, not the service. */
const REFUSALS = new Set<string>([
  'unsupported_image',
  'unreadable_image',
  'image_too_large',
  'upload_too_large',
  'empty_file',
]);
