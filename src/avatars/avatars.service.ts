import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import type { By } from '../model/access.js';
import type { Framing } from '../model/formats.js';
import { type Manifest, type Version, currentVersion, described, versionNamed } from '../model/manifest.js';
import { type Quota, type Rate, assertRoom } from '../model/quota.js';
import { isAway } from '../storage/object-store.js';
import { quotaOfAvatar } from './avatar-quota.js';
import {
  AvatarChanges,
  type ChangeRules,
  type Committed,
  type CurrentState,
  versionNotFound,
} from './avatar.changes.js';
import { AvatarEvents } from './avatar.events.js';
import { AvatarObjects } from './avatar.objects.js';
import { AvatarRepository } from './avatar.repository.js';
import { PendingChanges } from './pending-changes.js';
import type { Read } from './read.js';
import { assertNoErasureSince, ticketUsed, versionUploadedWith } from './ticket-uses.js';

export interface Upload {
  /** A file with the uploaded bytes. */
  path: string;
  /** SHA-256 of these bytes, in hex. */
  sha256: string;
  /** Who uploaded them; undefined: nobody asked. */
  by?: By | undefined;
}

/** The uploader's wishes for a picture. */
export interface Description extends Framing {
  /** Undefined: none; if the same picture is uploaded again, its alt stays. */
  alt?: string | undefined;
}

export interface UploadRules extends ChangeRules {
  /** How many new versions the avatar may have; undefined: any number. */
  rate?: Rate | undefined;
}

/**
 * `unchanged`: the current version has the same bytes, framing and alt already. `pending`: the upload waits
 * in the outbox.
 */
export type UploadOutcome = 'created' | 'unchanged' | 'pending';

export interface Uploaded {
  version: Version;
  outcome: UploadOutcome;
  /** What is left of the rate, if there is one. */
  quota: Quota | undefined;
}

/** Everything that the main application does with avatars, by id. Callers have checked the ids. */
@Injectable()
export class AvatarsService {
  constructor(
    private readonly pipeline: ImagePipeline,
    private readonly repository: AvatarRepository,
    private readonly objects: AvatarObjects,
    private readonly changes: AvatarChanges,
    private readonly pending: PendingChanges,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {}

  /**
   * Makes an uploaded picture current.
   * @throws RateLimited; CodedError `precondition_failed`, `avatar_locked`, `ticket_used`, `ticket_outdated`;
   * what the pipeline refuses; what the store and the outbox throw
   */
  async upload(
    id: string,
    upload: Upload,
    { rotate, crop, alt, rate, ...rules }: UploadRules & Description = {},
  ): Promise<Uploaded> {
    const description = { rotate, crop, alt };
    const state = await this.changes.begin(id, rules);
    const quotaIn = (manifest: Manifest) => rate && quotaOfAvatar(manifest, rate, state.at);
    const existing = (manifest: Manifest, version: Version): Uploaded => {
      const outcome = this.pending.isWaiting(id, version.version) ? 'pending' : 'unchanged';
      return { version, outcome, quota: quotaIn(manifest) };
    };
    const earlier = (manifest: Manifest) => this.earlierUpload(manifest, upload, description, rules.ticket);
    const same = earlier(state.manifest);
    if (same && (await this.mayAnswerWith(state, same))) return existing(state.manifest, same);
    assertRoom(quotaIn(state.manifest));

    const whole = { ...description, alt: alt ?? same?.alt };
    const { version, master } = await this.makeVersion(upload, whole, state.at);
    const intent = { type: 'publish', at: state.at, version } as const;
    const decide = (manifest: Manifest) => {
      const found = earlier(manifest);
      // The picture of `same` is lost or damaged: publish this upload.
      if (found && found.version !== same?.version) return undefined;
      assertRoom(quotaIn(manifest));
      return intent;
    };
    const { intent: published, manifest, committed } = await this.changes.change(state, decide, master);
    if (published) {
      this.events.published(id, version, master);
      const outcome = committed === 'pending' ? 'pending' : 'created';
      return { version, outcome, quota: quotaIn(manifest) };
    }
    // The same picture was uploaded meanwhile. If that is past again, nothing is left to answer with.
    const meanwhile = earlier(manifest);
    if (!meanwhile) throw new CodedError('busy', 'The avatar changed several times meanwhile. Try again.');
    return existing(manifest, meanwhile);
  }

  /**
   * The current version, undefined if there is none, and whether the avatar is locked.
   * @throws CodedError `manifest_unreadable`; what the store throws
   */
  async get(id: string): Promise<Read<Version | undefined> & { locked: boolean }> {
    const { value: manifest, incomplete, ...read } = await this.repository.readCached(id);
    const version = currentVersion(manifest);
    if (incomplete && !this.isPending(manifest, version)) throw incomplete;
    return { value: version, locked: manifest.lock?.locked ?? false, ...read };
  }

  /** Whether there is a current version. */
  async exists(id: string): Promise<Read<boolean>> {
    const read = await this.get(id);
    return { ...read, value: read.value !== undefined };
  }

  /**
   * The versions in the history, and which one is current.
   * @param ticket the name of the ticket that asks for it, if one does
   * @throws CodedError `ticket_outdated`; what the store throws
   */
  async history(id: string, ticket?: string): Promise<Manifest> {
    const { value: manifest, incomplete } = await this.repository.readCached(id);
    if (incomplete) throw incomplete;
    if (ticket !== undefined) assertNoErasureSince(manifest, ticket);
    return manifest;
  }

  /**
   * Makes a version of the history current again.
   * @throws CodedError `version_not_found`, `precondition_failed`, `avatar_locked`; what the store and the
   * outbox throw
   */
  async restore(
    id: string,
    name: string,
    rules: ChangeRules = {},
  ): Promise<{ version: Version; committed: Committed }> {
    const state = await this.changes.begin(id, rules);
    const { committed, manifest } = await this.changes.change(state, (shown) => {
      const version = versionNamed(shown, name);
      if (!version) throw state.away ?? versionNotFound();
      // While the store is away, another version may be current there.
      const isDone = shown.current === name && state.away === undefined;
      return isDone ? undefined : { type: 'restore', at: state.at, version };
    });
    const version = versionNamed(state.manifest, name) ?? versionNamed(manifest, name);
    if (!version) throw new Error('the history has what was restored');
    return { version, committed };
  }

  /**
   * Says what a version shows.
   * @param alt undefined: nothing is said
   * @param name of the version; undefined: the one that is current now
   * @throws CodedError `avatar_not_found`, `version_not_found`, `precondition_failed`, `avatar_locked`; what
   * the store and the outbox throw
   */
  async describe(
    id: string,
    alt: string | undefined,
    name: string | undefined,
    rules: ChangeRules = {},
  ): Promise<{ version: Version; committed: Committed }> {
    const state = await this.changes.begin(id, rules);
    const { away, at, manifest: seen } = state;
    // Another picture may become current meanwhile, and it may show something else.
    const meant = name ?? seen.current;
    if (meant === null) throw away ?? new CodedError('avatar_not_found', 'The avatar has no picture.');
    const { committed, intent, manifest } = await this.changes.change(state, (shown) => {
      const version = versionNamed(shown, meant);
      if (!version) throw away ?? versionNotFound();
      // While the store is away, the version may have another description there.
      const isDone = version.alt === alt && away === undefined;
      return isDone ? undefined : { type: 'describe', at, version: described(version, alt, at) };
    });
    const waiting = committed === 'pending' && intent?.type === 'describe' ? intent.version : undefined;
    const version = waiting ?? versionNamed(manifest, meant);
    if (!version) throw versionNotFound();
    return { version, committed };
  }

  /**
   * Leaves an avatar without a current picture; the history stays. Does nothing if there is none.
   * @throws CodedError `precondition_failed`, `avatar_locked`; what the store and the outbox throw
   */
  async delete(id: string, rules: ChangeRules = {}): Promise<Committed> {
    const state = await this.changes.begin(id, rules);
    const { committed } = await this.changes.change(state, ({ current }) => {
      // While the store is away, there may be a picture that we don't know.
      const isDone = current === null && state.away === undefined;
      return isDone ? undefined : { type: 'remove', at: state.at };
    });
    return committed;
  }

  /** Whether pending changes alone tell which version is current, and that it was not erased. */
  private isPending({ id, head }: Manifest, version: Version | undefined): boolean {
    // A restore may wait for a version that was uploaded earlier and has been erased meanwhile. A describe
    // says nothing about the head.
    return version ? this.pending.isWaiting(id, version.version) : head !== undefined;
  }

  private async makeVersion(
    { path, sha256, by }: Upload,
    { rotate, crop, alt }: Description,
    at: string,
  ): Promise<{ version: Version; master: Buffer }> {
    const { bytes, format, ...facts } = await this.pipeline.makeMaster(path, { rotate, crop });
    const name = uuidv7({ msecs: Date.parse(at) });
    const framing = { ...(rotate && { rotate }), ...(crop && { crop }) };
    const origin = { version: name, source: sha256, ...framing, master: format };
    const described = { ...facts, ...(alt !== undefined && { alt }), ...(by && { by }) };
    return { version: { ...origin, ...described, bytes: bytes.length, uploadedAt: at }, master: bytes };
  }

  /**
   * The version that answers an upload because it was made from the same: with the same ticket, or it is
   * current.
   * @throws CodedError `ticket_used`, `ticket_outdated`
   */
  private earlierUpload(
    manifest: Manifest,
    upload: Upload,
    description: Description,
    ticket: string | undefined,
  ): Version | undefined {
    const { avatarHistory } = this.settings;
    const made = ticket === undefined ? undefined : versionUploadedWith(manifest, ticket, avatarHistory);
    if (!made) {
      const current = currentVersion(manifest);
      return current && isFromSame(current, upload, description) ? current : undefined;
    }
    // What it was uploaded with is not known if its alt was changed since.
    const { alt } = made.describedAt === undefined ? description : made;
    if (isFromSame(made, upload, { ...description, alt })) return made;
    throw ticketUsed();
  }

  /**
   * Whether a version may answer a repeated upload. The last known manifest does not count: it may be long
   * outdated. A version that is no longer current stays so, even if its picture is lost.
   */
  private async mayAnswerWith({ manifest, away }: CurrentState, version: Version): Promise<boolean> {
    const { id, current } = manifest;
    if (this.pending.isWaiting(id, version.version)) return true;
    if (away !== undefined) return false;
    return version.version !== current || (await this.isSound(id, version));
  }

  /** Whether the store has the whole master of a version. Assumed while the store is away. */
  private async isSound(id: string, version: Version): Promise<boolean> {
    try {
      return await this.objects.isSound(id, version);
    } catch (error) {
      if (isAway(error)) return true;
      throw error;
    }
  }
}

/** Whether a version was made from the same bytes and framing, and has the same alt unless none is given. */
function isFromSame(version: Version, { sha256 }: Upload, { rotate, crop, alt }: Description): boolean {
  return (
    version.source === sha256 &&
    (alt === undefined || version.alt === alt) &&
    version.rotate === rotate &&
    version.crop?.x === crop?.x &&
    version.crop?.y === crop?.y &&
    version.crop?.width === crop?.width &&
    version.crop?.height === crop?.height
  );
}
