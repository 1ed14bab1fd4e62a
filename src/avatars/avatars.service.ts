import { v7 as uuidv7 } from 'uuid';
import type { DefaultPicture, DefaultPictures, DefaultWish } from '../delivery/default-pictures.js';
import { type CommonFormat, acceptedFormats } from '../delivery/negotiation.js';
import type { Renditions } from '../delivery/renditions.js';
import { CodedError } from '../errors.js';
import type { ImagePipeline } from '../images/image-pipeline.js';
import type { Crop, RenditionFormat } from '../model/formats.js';
import { pictureKey } from '../model/keys.js';
import {
  type Instant,
  type Manifest,
  type PictureIntent,
  type Version,
  currentVersion,
  instantAfter,
  isErased,
} from '../model/manifest.js';
import { PLACEHOLDER_KINDS, type PlaceholderKind } from '../model/placeholder-kinds.js';
import {
  type Rendition,
  type RenditionRequest,
  canBeMade,
  chooseRendition,
  masterKey,
  renditionName,
} from '../model/rendition.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { Adoption } from './adoption.js';
import type { AvatarChanges, Committed, EraseOptions, Receipt, Sight } from './avatar.changes.js';
import type { AvatarRepository, Recalled, Vouched } from './avatar.repository.js';
import { unreadable } from './damage.js';

export interface Upload {
  /** A file with the uploaded bytes. */
  path: string;
  /** SHA-256 of these bytes, in hex. */
  sha256: string;
}

export interface ChangeOptions {
  /**
   * What has to be current, or the change fails: one of these versions, any (`*`), or none. It cannot be told while the store
   * is away, and then the change fails as well.
   */
  precondition?: readonly string[] | '*' | 'none' | undefined;
}

export interface UploadOptions extends ChangeOptions {
  crop?: Crop | undefined;
  /** Undefined: none, or that of the same upload before. */
  alt?: string | undefined;
}

/** `unchanged`: the current version was made from the same bytes and crop already, with the same alt; `pending`: it waits in the outbox. */
export type UploadOutcome = 'created' | 'unchanged' | 'pending';

/** How a picture that was shown is shown again without asking the store. */
interface Again {
  /** Whether it is the right one still. */
  isRight: () => boolean;
  /** @returns undefined where they are not in memory any more */
  bytes: () => Buffer | undefined;
}

export interface Picture {
  bytes: Buffer;
  format: RenditionFormat;
  /** Names the version and the rendition: changes with what is shown. */
  tag: string;
  /** Undefined where only the store can tell. */
  again: Again | undefined;
}

export interface CurrentPicture extends Picture {
  /** Whether the version moves, in whatever rendition. */
  animated: boolean;
}

/** The current version; undefined: there is none. */
export interface Current extends Vouched {
  version: Version | undefined;
}

/** A generated picture for an avatar that has none. */
export type DrawnPicture = DefaultPicture & Pick<Picture, 'again'>;

/** `default`: a kind, `mm`, or `404` for nothing; undefined: as the settings say. */
export type WishedDrawing = Pick<DefaultWish, 'name' | 'initials' | 'color' | 'scheme'> & {
  default?: string | undefined;
};

/** What a reader wants to see of the current version. */
export interface PictureWish extends RenditionRequest {
  /** Undefined: the best that `accept`, the header, takes. */
  format?: RenditionFormat | undefined;
  accept?: string | undefined;
  /** What is served to those who name nothing newer; undefined: as the master is. */
  common?: CommonFormat | undefined;
}

/** Which pictures of a version somebody wants to know of. */
export interface PictureSet {
  /** In px. */
  sizes?: readonly number[] | undefined;
  format?: RenditionFormat | undefined;
}

/** The key of a picture, and the URL of the backend or CDN for it where the service does not serve it itself. */
export interface AvatarUrl extends Vouched {
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
  /** What is shown where there is no picture and nobody says what; `404`: nothing. */
  defaultPicture: '404' | PlaceholderKind;
}

/** Avatars by id: what the main application can do with them. Ids are valid already. */
export class AvatarsService {
  constructor(
    private readonly store: ObjectStore,
    private readonly pipeline: ImagePipeline,
    private readonly repository: AvatarRepository,
    private readonly adoption: Adoption,
    private readonly changes: AvatarChanges,
    private readonly renditions: Renditions,
    private readonly defaults: DefaultPictures,
    private readonly options: AvatarsServiceOptions,
  ) {}

  /**
   * Makes an uploaded picture current.
   * @throws CodedError what the pipeline refuses, `precondition_failed`, and what the store and the outbox throw
   */
  async upload(
    id: string,
    upload: Upload,
    { precondition, ...description }: UploadOptions = {},
  ): Promise<{ version: Version; outcome: UploadOutcome }> {
    const { sight, exact, at } = await this.begin(id, precondition);
    assertCurrent(sight.manifest, precondition);
    const same = sameSource(sight.manifest, upload, description);
    const isPending = same !== undefined && this.changes.isPending(id, same.version);
    // What was last known may be long past.
    if (same && (sight.away === undefined || isPending)) {
      if (isPending || (await this.changes.isSound(id, same))) return this.existing(id, same);
    }

    const { crop, alt } = description;
    const { bytes, format, ...facts } = await this.pipeline.makeMaster(upload.path, crop);
    const name = uuidv7({ msecs: Date.parse(at) });
    const origin = { version: name, source: upload.sha256, ...(crop && { crop }), master: format };
    const described = { ...facts, ...(alt !== undefined && { alt }) };
    const version = { ...origin, ...described, bytes: bytes.length, uploadedAt: at };
    const intent = { type: 'publish', at, version } as const;

    let existing: Version | undefined;
    const committed = await this.changes.publish(sight, intent, bytes, exact, (manifest) => {
      const shown = this.repository.withPending(manifest);
      assertCurrent(shown, precondition);
      existing = sameSource(shown, upload, description);
      // One whose picture is lost or damaged is uploaded anew.
      if (existing?.version === same?.version) existing = undefined;
      return existing ? undefined : intent;
    });
    if (existing) return this.existing(id, existing);
    this.renditions.warm(id, version);
    return { version, outcome: committed === 'pending' ? 'pending' : 'created' };
  }

  /** The current picture; undefined: there is none. */
  async get(id: string, wish: PictureWish = {}): Promise<Vouched & { picture: CurrentPicture | undefined }> {
    const { version, verified } = await this.current(id);
    return { picture: version && (await this.pictureOf(id, version, wish)), verified };
  }

  /**
   * What is shown of an avatar without a picture.
   * @param seed what it is drawn by; without one, the id, of which initials may be seen
   * @returns undefined where that is nothing
   */
  async getDefault(
    id: string,
    { default: asked, name, initials, color, scheme }: WishedDrawing,
    wish: Pick<DefaultWish, 'size' | 'exact' | 'format' | 'accept'>,
    seed = id,
  ): Promise<DrawnPicture | undefined> {
    const kind = asked === 'mm' ? 'mp' : (asked ?? this.options.defaultPicture);
    if (!isKind(kind)) return undefined;
    const isValid = this.repository.validity(id);
    const drawn = await this.defaults.get({ ...wish, kind, seed, name, initials, color, scheme });
    return { ...drawn, again: isValid && { isRight: isValid, bytes: drawn.take } };
  }

  /** One rendition of one version, current or not. @returns undefined where there is none, or it was erased */
  async getRendition(
    id: string,
    version: string,
    rendition: Rendition,
  ): Promise<(Picture & Vouched) | undefined> {
    const { manifest, incomplete, verified } = await this.repository.recall(id);
    if (isErased(manifest, version)) return undefined;
    if (incomplete) this.assertUploadedHere(id, version, incomplete);
    // Anybody can make up versions, and each would cost several calls each time.
    const isNamed = manifest.versions.some((known) => known.version === version);
    if (!isNamed && this.renditions.isAbsent(id, version, rendition)) return undefined;
    const picture = await this.picture(id, version, rendition);
    if (!picture && canBeMade(rendition)) await this.assertNotLost(id, version, rendition);
    return picture && { ...picture, verified };
  }

  /** The facts of the current version. */
  async current(id: string): Promise<Current> {
    const { manifest, incomplete, verified } = await this.recall(id);
    const version = currentVersion(manifest);
    if (incomplete && version) this.assertUploadedHere(id, version.version, incomplete);
    return { version, verified };
  }

  /** The history, and which version of it is current. */
  async history(id: string): Promise<Manifest> {
    const { manifest, incomplete } = await this.recall(id);
    if (incomplete) throw incomplete;
    return manifest;
  }

  /** Where a browser gets the current picture. @returns undefined where there is none, or it was erased meanwhile */
  async getUrl(id: string, request: RenditionRequest = {}): Promise<AvatarUrl | undefined> {
    const { version, verified } = await this.current(id);
    if (!version) return undefined;
    const rendition = chooseRendition(version, request, this.renditions.sizes);
    const key = pictureKey(id, version.version, renditionName(rendition));
    const { publicBaseUrl, urlExpiresIn } = this.options;
    // The backend can only serve what is there already.
    const pending = this.changes.isPending(id, version.version);
    const urlMode = pending ? 'service' : this.options.urlMode;
    if (urlMode !== 'service' && !(await this.renditions.ensureKept(id, version.version, rendition))) {
      await this.assertNotLost(id, version.version, rendition);
      return undefined;
    }
    if (urlMode === 'presigned') {
      const expiresAt = new Date(Date.now() + urlExpiresIn * 1000).toISOString();
      const url = await this.store.getUrl(key, { expiresIn: urlExpiresIn });
      const end = url === undefined ? null : expiresAt;
      return { key, url, version: version.version, expiresAt: end, verified };
    }
    const url = urlMode === 'public' ? await this.publicUrl(key, publicBaseUrl) : undefined;
    return { key, url, version: version.version, expiresAt: null, verified };
  }

  /** Edges in px that pictures are made at, ascending. */
  get sizes(): readonly number[] {
    return this.renditions.sizes;
  }

  /**
   * The keys of a version's pictures by size.
   * @param wish.sizes undefined: `master`, and each smaller size
   * @param wish.format undefined: the master's
   */
  keysOf(id: string, version: Version, { sizes, format }: PictureSet = {}): Record<string, string> {
    const keyOf = (size?: number) => {
      const rendition = chooseRendition(version, { size, format }, this.sizes);
      return pictureKey(id, version.version, renditionName(rendition));
    };
    const wanted = sizes ?? this.sizes.filter((size) => size < version.width);
    return {
      ...(sizes === undefined && { master: keyOf() }),
      ...Object.fromEntries(wanted.map((size) => [size, keyOf(size)])),
    };
  }

  /**
   * Makes a version of the history current again.
   * @throws CodedError `version_not_found`, `precondition_failed`, and what the store and the outbox throw
   */
  async restore(
    id: string,
    version: string,
    { precondition }: ChangeOptions = {},
  ): Promise<{ version: Version; committed: Committed }> {
    const { sight, exact, at } = await this.begin(id, precondition);
    const decide = (manifest: Manifest): PictureIntent | undefined => {
      const shown = this.repository.withPending(manifest);
      assertCurrent(shown, precondition);
      const found = shown.versions.find((known) => known.version === version);
      if (!found) throw sight.away ?? versionNotFound();
      return shown.current === version ? undefined : { type: 'restore', at, version: found };
    };
    const intent = decide(sight.manifest);
    const restored = sight.manifest.versions.find((known) => known.version === version);
    if (!restored) throw new Error('what was found is there');
    const committed = intent ? await this.changes.point(sight, intent, exact, decide) : 'stored';
    return { version: restored, committed };
  }

  /**
   * No current picture any more; the history stays. An avatar without a current picture is left as it is.
   * @throws CodedError `precondition_failed`, and what the store and the outbox throw
   */
  async delete(id: string, { precondition }: ChangeOptions = {}): Promise<Committed> {
    const { sight, exact, at } = await this.begin(id, precondition);
    const decide = (manifest: Manifest): PictureIntent | undefined => {
      const shown = this.repository.withPending(manifest);
      assertCurrent(shown, precondition);
      return shown.current === null ? undefined : { type: 'remove', at };
    };
    const intent = sight.away !== undefined ? ({ type: 'remove', at } as const) : decide(sight.manifest);
    return intent ? this.changes.point(sight, intent, exact, decide) : 'stored';
  }

  /**
   * Removes every version, rendition and alias of an avatar for good, or those up to an instant. Harmless where there is nothing.
   * @throws CodedError what the store and the outbox throw
   */
  erase(id: string, options: EraseOptions = {}): Promise<Receipt & { committed: Committed }> {
    return this.changes.erase(id, options);
  }

  private existing(id: string, version: Version): { version: Version; outcome: UploadOutcome } {
    return { version, outcome: this.changes.isPending(id, version.version) ? 'pending' : 'unchanged' };
  }

  private async recall(id: string): Promise<Recalled> {
    const recalled = await this.repository.recall(id);
    return { ...recalled, manifest: await this.adoption.ensure(recalled.manifest) };
  }

  /**
   * A picture that is absent was erased a moment ago, or never was; or the store has lost it.
   * @throws CodedError `picture_unreadable` where its master should be there
   */
  private async assertNotLost(id: string, name: string, { size, format }: Rendition): Promise<void> {
    const { versions } = await this.repository.read(id);
    const version = versions.find((known) => known.version === name);
    if (!version || (size === undefined && format !== version.master)) return;
    throw unreadable(masterKey(id, version), 'It is not in the storage.');
  }

  /** A version that waits to be restored was uploaded before, and may be erased by now. @throws why the store can't tell */
  private assertUploadedHere(id: string, version: string, away: Error): void {
    if (!this.changes.isPending(id, version)) throw away;
  }

  /**
   * What a change begins with: what is known of the avatar, whether it has to be known for certain, and when the change was
   * accepted. Not when it is committed: a delete that comes in the meantime has to win.
   */
  private async begin(
    id: string,
    precondition: ChangeOptions['precondition'],
  ): Promise<{ sight: Sight; exact: boolean; at: Instant }> {
    const exact = precondition !== undefined;
    const sight = await this.changes.look(id, exact, (manifest) =>
      this.adoption.ensure(manifest, { forChange: true }),
    );
    return { sight, exact, at: instantAfter(sight.manifest, new Date()) };
  }

  private async pictureOf(
    id: string,
    version: Version,
    wish: PictureWish,
  ): Promise<CurrentPicture | undefined> {
    const { animated } = version;
    let better: Rendition | undefined;
    for (const format of this.formatsFor(version, wish)) {
      const rendition = chooseRendition(version, { ...wish, format }, this.renditions.sizes);
      // An AVIF takes long to make: whoever would take something else gets it meanwhile.
      if (wish.format === undefined && format === 'avif') {
        if (!this.renditions.holds(id, version.version, rendition)) {
          this.renditions.prepare(id, version.version, rendition);
          better = rendition;
          continue;
        }
      }
      const picture = await this.picture(id, version.version, rendition, better);
      if (!picture) await this.assertNotLost(id, version.version, rendition);
      return picture && { ...picture, animated };
    }
    return undefined;
  }

  private formatsFor(
    version: Version,
    { format, accept, still = false, common }: PictureWish,
  ): RenditionFormat[] {
    return format === undefined ? acceptedFormats(version, accept, still, common) : [format];
  }

  /** @param better what is to be shown in its place as soon as it is in memory */
  private async picture(
    id: string,
    version: string,
    rendition: Rendition,
    better?: Rendition,
  ): Promise<Picture | undefined> {
    const isValid = this.repository.validity(id);
    const bytes = await this.renditions.get(id, version, rendition);
    const isRight =
      isValid && better ? () => isValid() && !this.renditions.holds(id, version, better) : isValid;
    const again = isRight && { isRight, bytes: this.renditions.taker(id, version, rendition) };
    const { format } = rendition;
    const tag = `${version}/${renditionName(rendition)}`;
    return bytes && { bytes, format, tag, again };
  }

  private publicUrl(key: string, base: string | undefined): Promise<string | undefined> {
    return base === undefined ? this.store.getUrl(key) : Promise.resolve(`${base}/${key}`);
  }
}

function isKind(text: string): text is PlaceholderKind {
  return PLACEHOLDER_KINDS.some((kind) => kind === text);
}

function versionNotFound(): CodedError {
  return new CodedError('version_not_found', 'The history of the avatar has no such version.');
}

function assertCurrent({ current }: Manifest, precondition: ChangeOptions['precondition']): void {
  const holds =
    precondition === undefined ||
    ((precondition === 'none' ? current === null : current !== null) &&
      (typeof precondition === 'string' || precondition.includes(current ?? '')));
  if (holds) return;
  const detail =
    current === null ? 'The avatar has no current version.' : `The current version is ${current}.`;
  throw new CodedError('precondition_failed', detail);
}

function sameSource(
  manifest: Manifest,
  upload: Upload,
  { crop, alt }: Pick<UploadOptions, 'crop' | 'alt'>,
): Version | undefined {
  const current = currentVersion(manifest);
  const same =
    current?.source === upload.sha256 &&
    (alt === undefined || current.alt === alt) &&
    current.crop?.x === crop?.x &&
    current.crop?.y === crop?.y &&
    current.crop?.width === crop?.width &&
    current.crop?.height === crop?.height;
  return same ? current : undefined;
}
