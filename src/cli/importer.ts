import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { INestApplicationContext } from '@nestjs/common';
import { Adoption } from '../avatars/adoption.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import type { Settings } from '../config/settings.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { timeOfVersion } from '../model/keys.js';
import { type Manifest, type Version, apply, isErased } from '../model/manifest.js';
import { SpooledUpload } from '../uploads/spooled-upload.js';
import { type Finding, Refused } from './command.js';

/** A picture of an avatar. */
export interface Item {
  id: string;
  where: string;
  /** Which it was with the service that Visage grew from; undefined: it becomes the newest. */
  version?: string;
  /** @throws what the store throws, or Refused */
  open: () => Promise<Readable>;
}

/** Something to import, or why it cannot be. */
export type Entry = Item | { finding: Finding };

/** `unchanged`: it is in the history already; `surplus`: others are newer, and the history is full. */
export type Taken = 'imported' | 'unchanged' | 'surplus';

/** Takes pictures in, one by one, each once however often it comes. */
export class Importer {
  private readonly avatars: AvatarsService;
  private readonly repository: AvatarRepository;
  private readonly adoption: Adoption;
  private readonly pipeline: ImagePipeline;

  constructor(
    app: INestApplicationContext,
    private readonly settings: Settings,
    private readonly dryRun: boolean,
  ) {
    this.avatars = app.get(AvatarsService, { strict: false });
    this.repository = app.get(AvatarRepository, { strict: false });
    this.adoption = app.get(Adoption, { strict: false });
    this.pipeline = app.get(ImagePipeline, { strict: false });
  }

  /** @throws Refused; CodedError where it would not be accepted as an upload, and what the store throws */
  async take({ id, version, open }: Item): Promise<Taken> {
    const manifest = await this.repository.readFresh(id);
    if (version !== undefined) {
      if (manifest.versions.some((known) => known.version === version)) return 'unchanged';
      if (isErased(manifest, version)) throw erased(manifest);
      if (!this.wouldKeep(manifest, version)) return 'surplus';
      if (!this.dryRun) {
        const after = await this.adoption.take(id, version, await open());
        if (isErased(after, version)) throw erased(after);
        return 'imported';
      }
    }
    // It may have been imported before the erasure, and nobody can tell.
    if (manifest.erasedAt !== undefined && version === undefined) throw erased(manifest);
    return this.spooled(await open(), async (upload) => {
      if (version === undefined && manifest.versions.some(({ source }) => source === upload.sha256)) {
        return 'unchanged';
      }
      if (this.dryRun) await this.pipeline.makeMaster(upload.path);
      else await this.avatars.upload(id, upload);
      return 'imported';
    });
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
    return after.versions.some((known) => known.version === name);
  }
}

/** @throws Refused */
export async function openFile(path: string): Promise<Readable> {
  const source = createReadStream(path);
  try {
    await once(source, 'open');
    return source;
  } catch (error) {
    throw new Refused('file_unreadable', (error as Error).message);
  }
}

function erased({ erasedAt }: Manifest): Refused {
  const message = `The avatar was erased at ${String(erasedAt)}. If the picture is wanted again, upload it.`;
  return new Refused('avatar_erased', message);
}
