import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import { PendingChanges } from '../avatars/pending-changes.js';
import type { Read, Trust } from '../avatars/read.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import type { RenditionFormat } from '../model/formats.js';
import { pictureKey } from '../model/keys.js';
import { type Version, isErased, versionNamed } from '../model/manifest.js';
import {
  type PictureRef,
  canonicalRendition,
  chooseRendition,
  isRenditionOf,
  keyOfPicture,
  renditionName,
} from '../model/rendition.js';
import { BackgroundRenditions } from './background-renditions.js';
import { type PictureWish, choosePicture, etagOfPicture } from './choose-picture.js';
import { LeftVersions } from './left-versions.js';
import type { Repeatable, Picture, Redirect } from './picture.js';
import { Renditions } from './renditions.js';
import { SecondLook } from './second-look.js';
import { StandIns, type WishWithDefault } from './stand-ins.js';

/** Selects pictures of a version whose keys are wanted. */
export interface PictureSet {
  /** In px; undefined: `master`, and each of AVATAR_SIZES. */
  sizes?: readonly number[] | undefined;
  /** Undefined: the master's. */
  format?: RenditionFormat | undefined;
}

/** Finds the pictures that readers ask for. Callers have checked the ids. */
@Injectable()
export class PicturesService {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly repository: AvatarRepository,
    private readonly pending: PendingChanges,
    private readonly renditions: Renditions,
    private readonly left: LeftVersions,
    private readonly background: BackgroundRenditions,
    private readonly standIns: StandIns,
    private readonly secondLook: SecondLook,
    private readonly settings: Settings,
  ) {}

  /**
   * The current picture, or what stands in for it: if there is none, or if the storage is away and this
   * process does not know.
   * @returns undefined if there is neither
   * @throws CodedError `manifest_unreadable`; what the store throws, if nothing is to stand in
   */
  async show(id: string, wish: WishWithDefault): Promise<Picture | Redirect | undefined> {
    const instead = (error: unknown) => this.standIns.instead(error, id, wish);
    let current: Read<Version | undefined>;
    try {
      current = await this.avatars.get(id);
    } catch (error) {
      return instead(error);
    }
    const { value: version, ...read } = current;
    return version
      ? { ...this.current(id, version, wish, read), instead }
      : this.standIns.choose(id, wish, read);
  }

  /** The picture of the current version. @param read gave the version */
  current(id: string, version: Version, wish: PictureWish, read: Trust): Picture {
    const isAtHand = (one: PictureRef) => this.renditions.isAtHand(keyOfPicture(one));
    const chosen = choosePicture(id, version, wish, this.sizes, isAtHand);
    const { picture, key, better, etag, format, vary } = chosen;
    if (better) this.background.plan(better);
    const facts = { etag, format, vary, verified: read.verified, repeat: this.repeatOf(read, key, better) };
    const load = async () => {
      const known = this.renditions.inMemory(key);
      if (known) return known;
      // An AVIF that was at hand and has vanished would take long to make: another format is shown meanwhile.
      const canWait = wish.format !== undefined || format !== 'avif';
      const bytes = await (canWait ? this.renditions.get(picture) : this.renditions.find(picture));
      if (!bytes && canWait) throw noPicture();
      if (!bytes) return this.current(id, version, wish, read);
      const seen = await this.secondLook.at(id, version.version, read);
      if (seen === 'gone') throw noPicture();
      return seen === 'current' ? bytes : unkept(facts, bytes);
    };
    return { ...facts, load };
  }

  /**
   * One rendition of one version, current or not.
   * @returns undefined if there is none, it was erased, or the avatar is hidden
   */
  async rendition({
    id,
    version,
    rendition: asked,
  }: Omit<PictureRef, 'master'>): Promise<Picture | undefined> {
    const cached = await this.repository.readCached(id);
    // Another replica may just have made it current: its URLs are at hand before this one knows.
    const isHidden = cached.value.current === null && !isErased(cached.value, version);
    const shown = isHidden ? await this.repository.readCurrent(id) : cached;
    const { value: manifest, incomplete, ...read } = shown;
    if (isErased(manifest, version)) return undefined;
    // A restore may wait for a version that was uploaded earlier and has been erased meanwhile.
    if (incomplete && !this.pending.isWaiting(id, version)) throw incomplete;
    if (manifest.current === null) return undefined;
    const named = versionNamed(manifest, version);
    const source = named ?? (await this.left.find(id, version));
    if (!source || !isRenditionOf(source, asked)) return undefined;
    const canonical = canonicalRendition(source, asked, this.sizes);
    // What has left the history is deleted soon: no more is stored of it.
    const rendition =
      named || canonical.size === undefined ? canonical : { ...canonical, unstored: true as const };
    const picture = { id, version, master: source.master, rendition };
    const key = keyOfPicture(picture);
    const facts = {
      etag: etagOfPicture(picture),
      format: rendition.format,
      vary: [],
      verified: read.verified,
      // Only the store can tell whether it has been deleted.
      repeat: named && this.repeatOf(read, key),
    };
    const load = async () => {
      // What has left the history had to be looked for, which may have taken long as well.
      const known = named && this.renditions.inMemory(key);
      if (known) return known;
      const bytes = await this.renditions.get(picture);
      if (!bytes) throw noRendition();
      const seen = await this.secondLook.at(id, version, read);
      if (seen === 'gone') throw noRendition();
      return seen === 'unknown' ? unkept(facts, bytes) : bytes;
    };
    return { ...facts, load };
  }

  /** Edges in px of renditions, ascending. */
  get sizes(): readonly number[] {
    return this.settings.avatarSizes;
  }

  /**
   * The keys of a version's pictures, by size. A size above the master's own has the key of the largest
   * picture.
   */
  keysOf(id: string, version: Version, { sizes, format }: PictureSet = {}): Record<string, string> {
    const keyOf = (size?: number) => {
      const rendition = chooseRendition(version, { size, format }, this.sizes);
      return pictureKey(id, version.version, renditionName(rendition));
    };
    const wanted = sizes ?? this.sizes;
    return {
      ...(sizes === undefined && { master: keyOf() }),
      ...Object.fromEntries(wanted.map((size) => [size, keyOf(size)])),
    };
  }

  private repeatOf({ tokens }: Trust, key: string, better?: PictureRef): Repeatable | undefined {
    return tokens && { tokens, memory: this.renditions, key, better: better && keyOfPicture(better) };
  }
}

/** A picture that was right when it was asked for, but may be outdated or erased by now. */
function unkept(facts: Omit<Picture, 'load'>, bytes: Buffer): Picture {
  return { ...facts, verified: false, repeat: undefined, load: () => Promise.resolve(bytes) };
}

function noPicture(): CodedError {
  return new CodedError('avatar_not_found', 'The avatar has no picture.');
}

function noRendition(): CodedError {
  return new CodedError('rendition_not_found', 'There is no such rendition of the avatar.');
}
