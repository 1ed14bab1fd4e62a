import type { Aliases } from '../avatars/aliases.js';
import { damageOf } from '../avatars/damage.js';
import { CodedError } from '../errors.js';
import type { ImagePipeline } from '../images/image-pipeline.js';
import { aliasesOf, isNoAlias } from '../model/alias.js';
import { type GarbageRules, collectable } from '../model/garbage.js';
import { aliasKey, isLegacy, manifestKey, versionOf } from '../model/keys.js';
import { ManifestUnreadable, readManifest, writeManifest } from '../model/manifest-format.js';
import { merge } from '../model/intents.js';
import { type Manifest, type Version, emptyManifest, isErased, mayAdopt } from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { masterKey, parseRenditionName } from '../model/rendition.js';
import { sha256Hex } from '../model/sha256.js';
import {
  type ListedObject,
  ObjectDamaged,
  type ObjectStore,
  PreconditionFailed,
} from '../storage/object-store.js';
import { type Finding, findingOf } from './command.js';
import { type ListedAvatar, decodedId } from './listing.js';
import { readUnlessDamaged } from './read-object.js';

export interface Repairable extends Finding {
  /** Repairs it without a loss. @returns whether it did */
  repair?: () => Promise<boolean>;
}

export interface InspectorRules extends Omit<GarbageRules, 'now'> {
  /** The store says that no picture of the older service is left to adopt. */
  allAdopted: boolean;
}

/** Finds damage, one avatar at a time. */
export class Inspector {
  constructor(
    private readonly store: ObjectStore,
    private readonly pipeline: ImagePipeline,
    private readonly aliases: Aliases,
    private readonly rules: InspectorRules,
  ) {}

  /**
   * @returns the problems of an avatar. A problem that is gone when looked at again was a change on its way.
   */
  async inspect({ encodedId, manifest: listed, pictures }: ListedAvatar): Promise<Repairable[]> {
    const id = decodedId(encodedId);
    const known = pictures.filter(({ key }) => versionOf(key) !== undefined);
    const found: Repairable[] = pictures
      .filter((object) => !known.includes(object))
      .map(({ key }) => finding('unknown_object', key, 'No object of Visage has such a key.'));
    if (id === undefined) return found;

    const key = manifestKey(id);
    const object = listed && (await readUnlessDamaged(this.store, key));
    if (object === 'damaged') return [...found, finding('manifest_unreadable', key, ObjectDamaged.REASON)];
    let manifest = emptyManifest(id);
    try {
      if (object) manifest = readManifest(id, object.bytes);
    } catch (error) {
      if (!(error instanceof ManifestUnreadable)) throw error;
      return [...found, findingOf(error, key)];
    }
    if (object) found.push(...this.pointer(manifest, object.etag));
    found.push(...this.garbage(manifest, known));
    found.push(...this.unadopted(manifest, known));
    for (const name of aliasesOf(manifest)) found.push(...(await this.alias(id, name)));
    for (const version of manifest.versions) found.push(...(await this.version(id, version, known)));
    return found;
  }

  /** `current` follows from `head` and the versions. Without `head` nothing says what it should be. */
  private pointer(manifest: Manifest, etag: string): Repairable[] {
    const consistent = merge(manifest, manifest, Number.MAX_SAFE_INTEGER);
    if (manifest.head === undefined || consistent.current === manifest.current) return [];
    const key = manifestKey(manifest.id);
    const repair = async () => {
      try {
        await this.store.store(key, writeManifest(consistent), { ifMatch: etag, ...MANIFEST_ATTRIBUTES });
        return true;
      } catch (error) {
        if (error instanceof PreconditionFailed) return false;
        throw error;
      }
    };
    const message = `It shows ${String(manifest.current)}, but its last change was to ${String(consistent.current)}.`;
    return [{ ...finding('wrong_current', key, message), repair }];
  }

  private garbage(manifest: Manifest, known: readonly ListedObject[]): Repairable[] {
    return collectable(known, manifest, { ...this.rules, now: Date.now() }).map((key) =>
      isErased(manifest, versionOf(key) ?? '')
        ? { ...finding('erased_object', key, 'Its avatar was erased.'), repair: () => this.remove(key) }
        : finding('orphaned_object', key, 'No manifest names it. Run visage gc to delete it.'),
    );
  }

  /**
   * The service does not look for these pictures any more. Without the marker it adopts them when somebody
   * asks for the avatar.
   */
  private unadopted(manifest: Manifest, known: readonly ListedObject[]): Repairable[] {
    const newest = known.findLast(({ key }) => isLegacy(key));
    if (!this.rules.allAdopted || !newest || !mayAdopt(manifest)) return [];
    const message =
      'An older service left it, and nobody sees it. Run visage adopt. If that refuses it, upload another picture for the avatar, ' +
      'or remove the object.';
    return [finding('unadopted_picture', newest.key, message)];
  }

  /** An alias that points at another avatar was taken over, and is no problem. */
  private async alias(id: string, name: string): Promise<Repairable[]> {
    const key = aliasKey(name);
    const pointer = await readUnlessDamaged(this.store, key);
    if (pointer === 'damaged' || (pointer && !isNoAlias(pointer))) return [];
    const repair = () => this.aliases.restore(name, id);
    return [{ ...finding('missing_alias', key, 'The manifest lists it, but it is missing.'), repair }];
  }

  private async version(id: string, version: Version, known: readonly ListedObject[]): Promise<Repairable[]> {
    const key = masterKey(id, version);
    const folder = key.slice(0, key.lastIndexOf('/') + 1);
    const objects = known.filter((object) => object.key.startsWith(folder));
    const found = objects.some((object) => object.key === key)
      ? []
      : [finding('missing_master', key, 'The manifest names it, but it is missing.')];
    for (const object of objects) {
      const problem = object.key === key ? await this.master(object, version) : await this.rendition(object);
      if (problem) found.push(problem);
    }
    return found;
  }

  private async master({ key, size }: ListedObject, version: Version): Promise<Repairable | undefined> {
    if (size === 0) return finding('empty_object', key, 'It has no bytes.');
    if (size !== version.bytes) {
      return finding('wrong_size', key, `It has ${size} bytes, and its manifest says ${version.bytes}.`);
    }
    const object = await readUnlessDamaged(this.store, key);
    if (!object) return finding('missing_master', key, 'The manifest names it, but it is missing.');
    if (object === 'damaged') return finding('wrong_checksum', key, ObjectDamaged.REASON);
    const sum = sha256Hex(object.bytes);
    if (version.sha256 !== undefined && sum !== version.sha256) {
      return finding(
        'wrong_checksum',
        key,
        `Its SHA-256 is ${sum}, and its manifest says ${version.sha256}.`,
      );
    }
    if (version.sha256 !== undefined || (await this.isPicture(object.bytes))) return undefined;
    return finding('unreadable_master', key, 'It cannot be decoded.');
  }

  /** A damaged rendition can be removed without a loss: it is made again when somebody asks for it. */
  private async rendition({ key, size }: ListedObject): Promise<Repairable | undefined> {
    const repair = () => this.remove(key);
    const named = parseRenditionName(key.slice(key.lastIndexOf('/') + 1));
    if (!named) {
      return finding('unknown_object', key, 'No object of Visage has such a key.');
    }
    if (size === 0) return { ...finding('empty_object', key, 'It has no bytes.'), repair };
    const object = await readUnlessDamaged(this.store, key);
    if (!object) return undefined;
    if (object === 'damaged')
      return { ...finding('unreadable_rendition', key, ObjectDamaged.REASON), repair };
    const { bytes } = object;
    // libvips decodes a GIF that breaks off as far as it goes.
    const damage =
      damageOf(bytes, named.format, undefined) ??
      ((await this.isPicture(bytes)) ? undefined : 'It cannot be decoded.');
    return damage === undefined ? undefined : { ...finding('unreadable_rendition', key, damage), repair };
  }

  private async isPicture(bytes: Buffer): Promise<boolean> {
    try {
      // WebP keeps every frame, so every frame is decoded.
      await this.pipeline.render(bytes, { size: 16, format: 'webp' });
      return true;
    } catch (error) {
      if (error instanceof CodedError) throw error;
      return false;
    }
  }

  private async remove(key: string): Promise<boolean> {
    await this.store.delete(key);
    return true;
  }
}

function finding(code: string, where: string, message: string): Repairable {
  return { code, where, message };
}
