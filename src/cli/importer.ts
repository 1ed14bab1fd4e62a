import type { Readable } from 'node:stream';
import type { INestApplicationContext } from '@nestjs/common';
import { Adoption } from '../avatars/adoption.js';
import { AvatarObjects } from '../avatars/avatar.objects.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import type { Settings } from '../config/settings.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { timeOfVersion } from '../model/keys.js';
import { apply } from '../model/intents.js';
import { type Manifest, type Version, isErased, versionNamed } from '../model/manifest.js';
import { SpooledUpload } from '../uploads/spooled-upload.js';
import { Refused } from './command.js';
import type { Listed } from './for-each.js';

/** A picture of an avatar. */
export interface Item {
  id: string;
  where: string;
  /** The name that its version gets, with the time of the picture; undefined: it becomes the newest. */
  version?: string;
  /** @throws what the store throws, or Refused */
  open: () => Promise<Readable>;
}

/** A picture to import, or why it cannot be imported. */
export type Entry = Listed<Item>;

/** `unchanged`: the history has it already; `surplus`: the history is full of newer pictures. */
export type Taken = 'imported' | 'unchanged' | 'surplus';

/** Imports pictures one by one, each once however often it comes. */
export class Importer {
  private readonly avatars: AvatarsService;
  private readonly objects: AvatarObjects;
  private readonly repository: AvatarRepository;
  private readonly adoption: Adoption;
  private readonly pipeline: ImagePipeline;

  constructor(
    app: INestApplicationContext,
    private readonly settings: Settings,
    private readonly dryRun: boolean,
  ) {
    this.avatars = app.get(AvatarsService, { strict: false });
    this.objects = app.get(AvatarObjects, { strict: false });
    this.repository = app.get(AvatarRepository, { strict: false });
    this.adoption = app.get(Adoption, { strict: false });
    this.pipeline = app.get(ImagePipeline, { strict: false });
  }

  /** @throws Refused; CodedError if it would not be accepted as an upload; the errors of the store */
  async importOne({ id, version, open }: Item): Promise<Taken> {
    const manifest = await this.repository.readFresh(id);
    if (version !== undefined) {
      if (versionNamed(manifest, version)) return 'unchanged';
      if (isErased(manifest, version)) throw erased(manifest, version);
      if (!this.wouldKeep(manifest, version)) return 'surplus';
      if (!this.dryRun) {
        const after = await this.adoption.publishAs(id, version, await open());
        if (isErased(after, version)) throw erased(after, version);
        return 'imported';
      }
    }
    // It may have been imported before the erasure: nothing tells when.
    if (manifest.erasedAt !== undefined && version === undefined) throw erased(manifest);
    return this.spooled(await open(), async (upload) => {
      if (version === undefined && (await this.isStored(manifest, upload.sha256))) return 'unchanged';
      if (this.dryRun) await this.pipeline.makeMaster(upload.path);
      else await this.avatars.upload(id, upload);
      return 'imported';
    });
  }

  /**
   * Whether the history has a picture, and its master is whole. A damaged one is stored anew, as by an
   * upload.
   */
  private async isStored({ id, versions }: Manifest, sha256: string): Promise<boolean> {
    for (const version of versions) {
      if (version.source === sha256 && (await this.objects.isSound(id, version))) return true;
    }
    return false;
  }

  private async spooled<T>(
    source: Readable,
    use: (upload: { path: string; sha256: string }) => Promise<T>,
  ): Promise<T> {
    const { uploadSpoolPath, avatarMaxSizeBytes } = this.settings;
    const spooled = new SpooledUpload(uploadSpoolPath, avatarMaxSizeBytes);
    try {
      await spooled.write(source);
      return await use({ path: spooled.path, sha256: spooled.digest() });
    } finally {
      source.destroy();
      await spooled.discard();
    }
  }

  /** Whether the history has room for a version of that time. */
  private wouldKeep(manifest: Manifest, name: string): boolean {
    const at = new Date(timeOfVersion(name)).toISOString();
    const version = { version: name, uploadedAt: at } as Version;
    const after = apply(manifest, { type: 'publish', at, version }, this.settings.avatarHistory);
    return versionNamed(after, name) !== undefined;
  }
}

/** @param version the one that was erased; undefined: the whole avatar was */
function erased({ erasedAt, erased: alone }: Manifest, version?: string): Refused {
  const at = alone?.find((one) => one.version === version)?.at;
  const what = at === undefined ? `avatar was erased at ${String(erasedAt)}` : `picture was erased at ${at}`;
  return new Refused('avatar_erased', `The ${what}. If the picture is wanted again, upload it.`);
}
