import { createHash } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  type Rendition,
  type RenditionRequest,
  chooseRendition,
  renditionName,
} from '../delivery/rendition.js';
import { type Renditions, attributes } from '../delivery/renditions.js';
import { CodedError } from '../errors.js';
import type { Crop, ImagePipeline, MasterFormat } from '../images/image-pipeline.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { AvatarRepository } from './avatar.repository.js';
import { pictureKey } from './keys.js';
import { type Instant, type Manifest, type Version, currentVersion, instantAfter } from './manifest.js';

export interface Upload {
  /** A file with the uploaded bytes. */
  path: string;
  /** SHA-256 of these bytes, in hex. */
  sha256: string;
}

export interface UploadOptions {
  crop?: Crop | undefined;
  /** What has to be current, or the change fails: one of these versions, any (`*`), or none. */
  precondition?: readonly string[] | '*' | 'none' | undefined;
}

export interface Picture {
  bytes: Buffer;
  version: string;
  rendition: Rendition;
}

/** The key of a picture, and the URL of the backend or CDN for it where the service does not serve it itself. */
export interface AvatarUrl {
  key: string;
  url: string | undefined;
  version: string;
  /** When a presigned URL stops working; null: never. */
  expiresAt: string | null;
}

export interface AvatarsServiceOptions {
  urlMode: 'service' | 'public' | 'presigned';
  /** What a key is appended to in the mode `public`; undefined: the backend's own URL. */
  publicBaseUrl?: string | undefined;
  /** Life of a presigned URL in seconds. */
  urlExpiresIn: number;
}

/** Avatars by id: what the main application can do with them. Ids are valid already. */
export class AvatarsService {
  private readonly logger = new Logger(AvatarsService.name);

  constructor(
    private readonly store: ObjectStore,
    private readonly pipeline: ImagePipeline,
    private readonly repository: AvatarRepository,
    private readonly renditions: Renditions,
    private readonly options: AvatarsServiceOptions,
  ) {}

  /**
   * Makes an uploaded picture current. The master is stored first and the manifest last: a crash in between leaves an
   * object that nothing points at, never a pointer to nothing.
   * @returns `created` false where the current version was made from the same bytes and crop already
   * @throws CodedError what the pipeline refuses, `precondition_failed`, and what the store throws
   */
  async upload(
    id: string,
    upload: Upload,
    options: UploadOptions = {},
  ): Promise<{ version: Version; created: boolean }> {
    const before = await this.repository.read(id);
    assertCurrent(before, options.precondition);
    const same = sameSource(before, upload, options.crop);
    if (same) return { version: same, created: false };

    // When it was accepted, not when it is committed: a delete that comes in the meantime has to win.
    const at = instantAfter(before, new Date());
    const version = await this.storeMaster(id, upload, options.crop, at);
    let existing: Version | undefined;
    try {
      await this.repository.change(id, (manifest) => {
        // Our own commit may have gone through on an attempt whose answer was lost.
        if (manifest.versions.some((known) => known.version === version.version)) return undefined;
        assertCurrent(manifest, options.precondition);
        existing = sameSource(manifest, upload, options.crop);
        return existing ? undefined : { type: 'publish', at, version };
      });
    } catch (error) {
      if (error instanceof CodedError && error.code === 'precondition_failed')
        await this.discard(id, version);
      throw error;
    }
    if (existing) await this.discard(id, version);
    return existing ? { version: existing, created: false } : { version, created: true };
  }

  /** The current picture. @returns undefined where there is none */
  async get(id: string, request: RenditionRequest = {}): Promise<Picture | undefined> {
    const version = await this.current(id);
    if (!version) return undefined;
    const rendition = chooseRendition(version, request, this.renditions.sizes);
    return this.getRendition(id, version.version, rendition);
  }

  /** One rendition of one version, current or not. @returns undefined where there is none */
  async getRendition(id: string, version: string, rendition: Rendition): Promise<Picture | undefined> {
    const bytes = await this.renditions.get(id, version, rendition);
    return bytes && { bytes, version, rendition };
  }

  async exists(id: string): Promise<boolean> {
    return (await this.current(id)) !== undefined;
  }

  /** The facts of the current version. @returns undefined where there is none */
  async current(id: string): Promise<Version | undefined> {
    return currentVersion(await this.repository.recall(id));
  }

  /** Where a browser gets the current picture. @returns undefined where there is none */
  async getUrl(id: string, request: RenditionRequest = {}): Promise<AvatarUrl | undefined> {
    const version = await this.current(id);
    if (!version) return undefined;
    const rendition = chooseRendition(version, request, this.renditions.sizes);
    const key = pictureKey(id, version.version, renditionName(rendition));
    const { urlMode, publicBaseUrl, urlExpiresIn } = this.options;
    // The backend can only serve what is there already.
    if (urlMode !== 'service') await this.renditions.ensureKept(id, version.version, rendition);
    if (urlMode === 'presigned') {
      const expiresAt = new Date(Date.now() + urlExpiresIn * 1000).toISOString();
      const url = await this.store.getUrl(key, { expiresIn: urlExpiresIn });
      return { key, url, version: version.version, expiresAt: url === undefined ? null : expiresAt };
    }
    const url = urlMode === 'public' ? await this.publicUrl(key, publicBaseUrl) : undefined;
    return { key, url, version: version.version, expiresAt: null };
  }

  /** The keys of a version's pictures in the master's format: `master`, and each smaller size. */
  keysOf(id: string, version: Version): Record<string, string> {
    const { sizes } = this.renditions;
    const smaller = sizes.filter((size) => size < version.width);
    const keyOf = (request: RenditionRequest) =>
      pictureKey(id, version.version, renditionName(chooseRendition(version, request, sizes)));
    return { master: keyOf({}), ...Object.fromEntries(smaller.map((size) => [size, keyOf({ size })])) };
  }

  /**
   * No current picture any more; the history stays. An avatar without a current picture is left as it is.
   * @throws CodedError `precondition_failed`, and what the store throws
   */
  async delete(id: string, options: Pick<UploadOptions, 'precondition'> = {}): Promise<void> {
    await this.repository.change(id, (manifest) => {
      assertCurrent(manifest, options.precondition);
      return manifest.current === null
        ? undefined
        : { type: 'remove', at: instantAfter(manifest, new Date()) };
    });
  }

  private publicUrl(key: string, base: string | undefined): Promise<string | undefined> {
    return base === undefined ? this.store.getUrl(key) : Promise.resolve(`${base}/${key}`);
  }

  /** @returns a version that no manifest knows yet */
  private async storeMaster(
    id: string,
    upload: Upload,
    crop: Crop | undefined,
    at: Instant,
  ): Promise<Version> {
    const { bytes, format, ...facts } = await this.pipeline.makeMaster(upload.path, crop);
    const version = uuidv7();
    const key = masterKey(id, version, format);
    await this.store.store(key, bytes, { ifAbsent: true, ...attributes({ format }) });
    const origin = { version, source: upload.sha256, ...(crop && { crop }), master: format };
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { ...origin, ...facts, bytes: bytes.length, sha256, uploadedAt: at };
  }

  /** Garbage that could not be removed now is found by its missing manifest entry later. */
  private async discard(id: string, { version, master }: Version): Promise<void> {
    const key = masterKey(id, version, master);
    try {
      await this.store.delete(key);
    } catch (error) {
      this.logger.warn({ key, err: error }, 'an unused master could not be deleted');
    }
  }
}

function masterKey(id: string, version: string, format: MasterFormat): string {
  return pictureKey(id, version, renditionName({ format }));
}

function assertCurrent({ current }: Manifest, precondition: UploadOptions['precondition']): void {
  const holds =
    precondition === undefined ||
    ((precondition === 'none' ? current === null : current !== null) &&
      (typeof precondition === 'string' || precondition.includes(current ?? '')));
  if (holds) return;
  const detail =
    current === null ? 'The avatar has no current version.' : `The current version is ${current}.`;
  throw new CodedError('precondition_failed', detail);
}

function sameSource(manifest: Manifest, upload: Upload, crop: Crop | undefined): Version | undefined {
  const current = currentVersion(manifest);
  const same =
    current?.source === upload.sha256 &&
    current.crop?.x === crop?.x &&
    current.crop?.y === crop?.y &&
    current.crop?.width === crop?.width &&
    current.crop?.height === crop?.height;
  return same ? current : undefined;
}
