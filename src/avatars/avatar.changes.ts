import { Logger } from '@nestjs/common';
import type { Renditions } from '../delivery/renditions.js';
import { CodedError } from '../errors.js';
import { hashesOf } from '../model/alias.js';
import {
  type Erase,
  type Instant,
  type Manifest,
  type PictureIntent,
  type Publish,
  type Version,
  apply,
  emptyManifest,
  endOfErased,
  instantAfter,
  isErased,
} from '../model/manifest.js';
import type { Outbox, OutboxEntry } from '../outbox/outbox.js';
import { isAway } from '../storage/object-store.js';
import type { Aliases } from './aliases.js';
import type { AvatarObjects, Swept } from './avatar.objects.js';
import { type AvatarRepository, ChangeNotBegun } from './avatar.repository.js';

/** What an erasure removed. */
export interface Receipt extends Swept {
  erasedAt: Instant;
  /** Hashes that stand for the avatar no more; their objects are not among `objects`. */
  aliases: number;
}

export interface EraseOptions {
  /** Only what was uploaded or registered up to and including then; undefined: all that is there. */
  before?: Instant | undefined;
  /** Of who asked for it, for the log. */
  requestId?: string | undefined;
}

/** How a change ended: it is in the store, or waits in the outbox. */
export type Committed = 'stored' | 'pending';

/** An avatar before a change. */
export interface Sight {
  manifest: Manifest;
  /** Why the store could not be asked, and the manifest is the last known one, if any. */
  away?: Error;
}

type Decide = (manifest: Manifest) => PictureIntent | undefined;

/**
 * The changes of avatars. A picture is stored first and the manifest last: a crash in between leaves an object that nothing
 * points at, never a pointer to nothing. While the store is away the outbox takes the intent, and `replay` carries it out later.
 */
export class AvatarChanges {
  private readonly logger = new Logger(AvatarChanges.name);

  /** @param outbox undefined: while the store is away, changes fail */
  constructor(
    private readonly repository: AvatarRepository,
    private readonly objects: AvatarObjects,
    private readonly aliases: Aliases,
    private readonly renditions: Renditions,
    private readonly outbox: Outbox | undefined,
    private readonly options: { history: number },
  ) {}

  /**
   * The avatar as it is now; while the store is away, as it was last known.
   * @param exact what follows holds only if this is how it is now
   * @param prepare all else that has to be done in the store before the change, and what the manifest is then
   * @throws what the store throws, where it is away and there is no outbox or `exact` is asked for
   */
  async look(
    id: string,
    exact: boolean,
    prepare = (manifest: Manifest): Manifest | Promise<Manifest> => manifest,
  ): Promise<Sight> {
    try {
      return { manifest: await prepare(await this.repository.read(id)) };
    } catch (error) {
      if (exact || !this.outbox || !isAway(error)) throw error;
      return { manifest: this.repository.lastKnown(id) ?? emptyManifest(id), away: error };
    }
  }

  /** Whether the store has the master of a version, whole. While it is away, it is believed to. */
  async isSound(id: string, version: Version): Promise<boolean> {
    try {
      return await this.objects.isSound(id, version);
    } catch (error) {
      if (isAway(error)) return true;
      throw error;
    }
  }

  /** Whether a version waits in the outbox. */
  isPending(id: string, version: string): boolean {
    return this.outbox?.holds(id, version) ?? false;
  }

  /**
   * Makes a new version current.
   * @param decide what `AvatarRepository.change` asks
   * @returns how it ended; undefined where `decide` wanted nothing any more, and then the master is discarded
   */
  async publish(
    sight: Sight,
    intent: Publish,
    master: Buffer,
    exact: boolean,
    decide: Decide,
  ): Promise<Committed | undefined> {
    const { id } = sight.manifest;
    const { version } = intent;
    return this.orPending<Committed | undefined>(sight, exact, { intent, master }, async () => {
      const seen = { wanted: true };
      const change = () =>
        this.repository.change(id, (manifest) => {
          // Our own commit may have gone through on an attempt whose answer was lost.
          if (has(manifest, version)) return undefined;
          const decided = decide(manifest);
          seen.wanted = decided !== undefined;
          return decided;
        });
      try {
        const after = await this.storeMaster(id, version, master, change);
        if (!seen.wanted) await this.objects.discard(id, version);
        else if (after.versions.length >= this.options.history) void this.objects.collect(after);
        return seen.wanted ? 'stored' : undefined;
      } catch (error) {
        if (this.isUnused(id, version, error)) await this.objects.discard(id, version);
        throw error;
      }
    });
  }

  /** Restores or removes. */
  async point(sight: Sight, intent: PictureIntent, exact: boolean, decide: Decide): Promise<Committed> {
    const { id } = sight.manifest;
    return this.orPending<Committed>(sight, exact, { intent }, async () => {
      const change = () => this.repository.change(id, decide);
      const version = intent.type === 'restore' ? intent.version : undefined;
      // A version that waits in the outbox can be restored, and the manifest must not name it before its master is there.
      const pending = version && (await this.outbox?.master(id, version.version));
      if (pending) await this.storeMaster(id, version, pending.bytes, change);
      else await change();
      return 'stored';
    });
  }

  /**
   * Removes every trace of an avatar for good, or what was there up to an instant. What is pending of that is void from here on.
   * An erasure of all that finds nothing newer than the last one confirms that: the receipt has its `erasedAt`.
   * @returns while it is pending, only what it removed from the outbox
   */
  async erase(
    id: string,
    { before, requestId }: EraseOptions = {},
  ): Promise<Receipt & { committed: Committed }> {
    const sight = await this.look(id, false);
    // While it waits, others may upload: it then confirms no earlier erasure.
    const waiting = { type: 'erase', at: before ?? instantAfter(sight.manifest, new Date()) } as const;
    let receipt: Receipt = { erasedAt: waiting.at, objects: 0, bytes: 0, aliases: 0 };
    let end = waiting.at;
    const entry = { intent: waiting, requestId };
    const committed = await this.orPending<Committed>(sight, false, entry, async () => {
      const wanted = (manifest: Manifest) => erasureOf(this.repository.withPending(manifest), new Date());
      const erased = await this.eraseStored(id, before === undefined ? wanted : () => waiting);
      receipt = erased.receipt;
      end = erased.end;
      return 'stored';
    });
    await this.renditions.forget(id, end);
    const voided = await this.dropVoid(id, end);
    receipt.objects += voided.objects;
    receipt.bytes += voided.bytes;
    if (committed === 'stored') this.tellErased(id, receipt, requestId);
    return { ...receipt, committed };
  }

  /** What an erasure up to an instant would remove from the store; changes nothing. */
  async previewErasure(id: string, before: Instant): Promise<Receipt> {
    const manifest = await this.repository.readStored(id);
    const after = apply(manifest, { type: 'erase', at: before }, this.options.history);
    const aliases = hashesOf(manifest).length - hashesOf(after).length;
    return { erasedAt: after.erasedAt ?? before, aliases, ...(await this.objects.sweep(after, true)) };
  }

  /**
   * Carries out what the outbox held, exactly once however often it is called.
   * @returns undefined, or the reason why it can never be carried out
   */
  async replay(
    { id, intent, requestId }: OutboxEntry,
    master: Buffer | undefined,
  ): Promise<string | undefined> {
    switch (intent.type) {
      case 'publish': {
        if (!master) return 'the master is missing';
        const sight = { manifest: emptyManifest(id) };
        await this.publish(sight, intent, master, true, () => intent);
        return undefined;
      }
      case 'restore':
        if (await this.isLost(id, intent.version)) return 'the version to restore is gone';
        await this.repository.change(id, () => intent);
        return undefined;
      case 'remove':
        await this.repository.change(id, () => intent);
        return undefined;
      case 'erase':
        this.tellErased(id, (await this.eraseStored(id, () => intent)).receipt, requestId);
        return undefined;
    }
  }

  /**
   * Hashes are listed in the manifest only, so their objects go before it changes: an erasure that is cut can be repeated. Those
   * that it then replaces go again, since somebody may have registered them in between.
   */
  private async eraseStored(
    id: string,
    wanted: (manifest: Manifest) => Erase,
  ): Promise<{ receipt: Receipt; end: Instant }> {
    const voided = (manifest: Manifest) =>
      (manifest.aliases?.at ?? '') <= wanted(manifest).at ? hashesOf(manifest) : [];
    const before = voided(await this.repository.readStored(id));
    const first = await this.aliases.remove(id, before);
    const hashes = new Set(before);
    const after = await this.repository.change(id, (manifest) => {
      for (const hash of voided(manifest)) hashes.add(hash);
      return wanted(manifest);
    });
    const aliases = first + (await this.aliases.settle(id, [...hashes]));
    const { erasedAt } = after;
    const end = endOfErased(after);
    if (erasedAt === undefined || end === undefined) throw new Error('an erasure left no mark');
    return { receipt: { erasedAt, aliases, ...(await this.objects.sweep(after)) }, end };
  }

  /** Whether a version's master is gone though nobody erased it. */
  private async isLost(id: string, version: Version): Promise<boolean> {
    if (await this.objects.hasMaster(id, version)) return false;
    return !isErased(await this.repository.readStored(id), version.version);
  }

  /** The record that an erasure is done, whenever that was. */
  private tellErased(
    id: string,
    { erasedAt, objects, bytes, aliases }: Receipt,
    requestId: string | undefined,
  ): void {
    this.logger.log({ id, erasedAt, objects, bytes, aliases, requestId }, 'erased an avatar');
  }

  /** Drops entries that an erasure made void; the erasure itself is one that stays. */
  private async dropVoid(id: string, end: Instant): Promise<Swept> {
    const swept = { objects: 0, bytes: 0 };
    for (const entry of this.outbox?.entriesOf(id) ?? []) {
      if (entry.intent.type === 'erase' || entry.intent.at > end) continue;
      if (entry.intent.type === 'publish') {
        swept.objects++;
        swept.bytes += entry.intent.version.bytes;
      }
      await this.outbox?.remove(entry);
    }
    return swept;
  }

  private storeMaster(
    id: string,
    { version, master: format }: Version,
    master: Buffer,
    commit: () => Promise<Manifest>,
  ): Promise<Manifest> {
    return this.objects.storeUnlessErased(id, version, { format }, master, commit);
  }

  /** Whether no manifest names a version after this error. One that was in the outbox may have been published before. */
  private isUnused(id: string, { version }: Version, error: unknown): boolean {
    if (error instanceof ChangeNotBegun) return !this.isPending(id, version);
    return error instanceof CodedError && error.code === 'precondition_failed';
  }

  private async orPending<T>(
    { manifest: { id }, away }: Sight,
    exact: boolean,
    entry: { intent: PictureIntent; master?: Buffer; requestId?: string | undefined },
    commit: () => Promise<T>,
  ): Promise<T | 'pending'> {
    if (away === undefined) {
      try {
        return await commit();
      } catch (error) {
        if (exact || !this.outbox || !isAway(error)) throw error;
      }
    }
    await this.outbox?.add(id, entry.intent, entry.master, entry.requestId);
    return 'pending';
  }
}

/** An erasure of all: it confirms the last one where nothing was done to the avatar since. */
function erasureOf(manifest: Manifest, now: Date): Erase {
  const { erasedAt, head, versions } = manifest;
  const isNew =
    (head?.at ?? '') > (endOfErased(manifest) ?? '') || versions.length + hashesOf(manifest).length > 0;
  const confirms = !isNew && erasedAt !== undefined && { confirms: erasedAt };
  return { type: 'erase', at: instantAfter(manifest, now), ...confirms };
}

function has(manifest: Manifest, { version }: Version): boolean {
  return manifest.versions.some((known) => known.version === version);
}
