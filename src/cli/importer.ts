import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { INestApplicationContext } from '@nestjs/common';
import { Adoption } from '../avatars/adoption.js';
import { AvatarObjects } from '../avatars/avatar.objects.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import { timeOfVersion } from '../avatars/keys.js';
import { type Manifest, type Version, apply, isErased } from '../avatars/manifest.js';
import type { Settings } from '../config/settings.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { SpooledUpload } from '../spool.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { Finding } from './command.js';
import { read } from './verified-copy.js';

/** A picture of an avatar: one that the service which Visage grew from laid down, or a file that somebody lists. */
export type Item = { id: string; where: string } & (
  { upload: { store: ObjectStore; key: string; version: string } } | { path: string }
);

/** Something to import, or why it cannot be. */
export type Entry = Item | { finding: Finding };

/** `unchanged`: it is in the history already; `surplus`: others are newer, and the history is full. */
export type Taken = 'imported' | 'unchanged' | 'surplus';

/** Takes pictures in, one by one, each once however often it comes. */
export class Importer {
  private readonly avatars: AvatarsService;
  private readonly repository: AvatarRepository;
  private readonly objects: AvatarObjects;
  private readonly pipeline: ImagePipeline;

  constructor(
    app: INestApplicationContext,
    private readonly settings: Settings,
    private readonly dryRun: boolean,
  ) {
    this.avatars = app.get(AvatarsService, { strict: false });
    this.repository = app.get(AvatarRepository, { strict: false });
    this.objects = app.get(AvatarObjects, { strict: false });
    this.pipeline = app.get(ImagePipeline, { strict: false });
  }

  /** @throws Refused; CodedError where it would not be accepted as an upload, and what the store throws */
  async take(item: Item): Promise<Taken> {
    const manifest = await this.repository.read(item.id);
    return 'upload' in item ? this.takeUpload(item.id, item.upload, manifest) : this.takeFile(item, manifest);
  }

  private async takeUpload(
    id: string,
    { store, key, version }: { store: ObjectStore; key: string; version: string },
    manifest: Manifest,
  ): Promise<Taken> {
    if (manifest.versions.some((known) => known.version === version)) return 'unchanged';
    if (isErased(manifest, version)) throw erased(manifest);
    if (!this.wouldKeep(manifest, version)) return 'surplus';
    const { uploadSpoolPath: spoolPath, avatarMaxSizeBytes: maxBytes } = this.settings;
    if (this.dryRun) {
      const object = await read(store, key);
      if (object)
        await this.spooled(Readable.from([object.bytes]), ({ path }) => this.pipeline.makeMaster(path));
      return 'imported';
    }
    const { pipeline, repository, objects } = this;
    await new Adoption(store, pipeline, repository, objects, { spoolPath, maxBytes }).adopt(id, {
      key,
      version,
    });
    return 'imported';
  }

  private async takeFile({ id, path }: { id: string; path: string }, manifest: Manifest): Promise<Taken> {
    // It may have been imported before the erasure, and nobody can tell.
    if (manifest.erasedAt !== undefined) throw erased(manifest);
    return this.spooled(await open(path), async (upload) => {
      if (manifest.versions.some(({ source }) => source === upload.sha256)) return 'unchanged';
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
async function open(path: string): Promise<Readable> {
  const source = createReadStream(path);
  try {
    await once(source, 'open');
    return source;
  } catch (error) {
    throw new Refused('file_unreadable', (error as Error).message);
  }
}

/** A picture that is no longer wanted, or cannot be read where it is. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

function erased({ erasedAt }: Manifest): Refused {
  const message = `The avatar was erased at ${String(erasedAt)}. If the picture is wanted again, upload it.`;
  return new Refused('avatar_erased', message);
}
