import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { aliasesOf } from '../model/alias.js';
import { type Erase, apply } from '../model/intents.js';
import { timeOfVersion } from '../model/keys.js';
import { type Instant, type Manifest, endOfErased, instantAfter } from '../model/manifest.js';
import { Aliases } from './aliases.js';
import type { Committed } from './avatar.changes.js';
import { AvatarEvents, type Purged } from './avatar.events.js';
import { AvatarObjects, type Swept } from './avatar.objects.js';
import { AvatarRepository } from './avatar.repository.js';
import { ManifestSwap } from './manifest-swap.js';
import { PendingChanges } from './pending-changes.js';

/** Tells what an erasure removed. */
export interface Receipt extends Swept {
  erasedAt: Instant;
  /** Aliases that no longer stand for the avatar. `objects` does not count their objects. */
  aliases: number;
  /**
   * What a CDN was asked to forget. Absent if there is none, or the erasure was carried out out of the
   * outbox.
   */
  purged?: Purged | undefined;
}

export interface EraseOptions {
  /** Erases only what was uploaded or registered up to and including then; undefined: everything. */
  before?: Instant | undefined;
  /** The request that asked for it, for the log. */
  requestId?: string | undefined;
}

/** An erasure that is in the store, and the instant up to which everything is void. */
interface Erased {
  receipt: Receipt;
  end: Instant;
}

/** Removes every trace of avatars for good. */
@Injectable()
export class AvatarErasure {
  private readonly logger = new Logger(AvatarErasure.name);

  constructor(
    private readonly repository: AvatarRepository,
    private readonly objects: AvatarObjects,
    private readonly aliases: Aliases,
    private readonly manifests: ManifestSwap,
    private readonly pending: PendingChanges,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {}

  /**
   * Removes every trace of an avatar for good, or everything up to an instant. Pending changes up to then
   * become void. If an erasure of everything finds nothing newer than the last erasure, it confirms that one:
   * the receipt has its `erasedAt`.
   * @returns a receipt; if the erasure is pending, only for what it removed from the outbox
   */
  async erase(
    id: string,
    { before, requestId }: EraseOptions = {},
  ): Promise<Receipt & { committed: Committed }> {
    const { manifest: read, away } = await this.repository.readOrLastKnown(id, false, () =>
      this.repository.readStored(id),
    );
    const manifest = this.repository.withPending(read);
    // A pending erasure confirms no earlier one, since others may upload while it waits.
    const intent = { type: 'erase', at: before ?? instantAfter(manifest, new Date()) } as const;
    const ofAll = (stored: Manifest) => erasureOf(this.repository.withPending(stored), new Date());
    const stored = await this.pending.commitOrQueue(id, { intent, requestId }, { away, exact: false }, () =>
      this.eraseStored(read, before === undefined ? ofAll : () => intent),
    );
    const { receipt, end } =
      stored === 'pending'
        ? { receipt: { erasedAt: intent.at, objects: 0, bytes: 0, aliases: 0 }, end: intent.at }
        : stored;
    await this.events.erased(id, (version) => timeOfVersion(version) <= Date.parse(end));
    const voided = await this.dropVoid(id, end);
    const purged = await this.events.purge({
      id,
      aliases: aliasesOf(manifest),
      aliased: false,
      registered: false,
    });
    const whole = {
      ...receipt,
      objects: receipt.objects + voided.objects,
      bytes: receipt.bytes + voided.bytes,
      ...(purged && { purged }),
    };
    if (stored !== 'pending') this.logErased(id, whole, requestId);
    return { ...whole, committed: stored === 'pending' ? 'pending' : 'stored' };
  }

  /** Tells what an erasure up to an instant would remove from the store. Changes nothing. */
  async preview(id: string, before: Instant): Promise<Receipt> {
    const manifest = await this.repository.readStored(id);
    const after = apply(manifest, { type: 'erase', at: before }, this.settings.avatarHistory);
    const aliases = aliasesOf(manifest).length - aliasesOf(after).length;
    return { erasedAt: after.erasedAt ?? before, aliases, ...(await this.objects.sweep(after, true)) };
  }

  /** Carries out an erasure that waited, exactly once however often it is called. */
  async replay(id: string, intent: Erase, requestId: string | undefined): Promise<void> {
    const { receipt } = await this.eraseStored(await this.repository.readStored(id), () => intent);
    this.logErased(id, receipt, requestId);
  }

  /**
   * Erases in the store. Only the manifest lists the aliases, so their objects are deleted before it changes:
   * an interrupted erasure can then be repeated. Afterwards they are deleted once more, since somebody may
   * have registered them in between.
   * @param read the manifest as the store had it a moment ago
   */
  private async eraseStored(read: Manifest, wanted: (manifest: Manifest) => Erase): Promise<Erased> {
    const { id } = read;
    const voidedBy = (manifest: Manifest) =>
      (manifest.aliases?.at ?? '') <= wanted(manifest).at ? aliasesOf(manifest) : [];
    const before = voidedBy(read);
    const first = await this.aliases.remove(id, before);
    const names = new Set(before);
    const { manifest } = await this.manifests.change(id, (stored) => {
      for (const name of voidedBy(stored)) names.add(name);
      return wanted(stored);
    });
    const aliases = first + (await this.aliases.reconcile(id, [...names]));
    const { erasedAt } = manifest;
    const end = endOfErased(manifest);
    if (erasedAt === undefined || end === undefined) throw new Error('an erasure left no mark');
    return { receipt: { erasedAt, aliases, ...(await this.objects.sweep(manifest)) }, end };
  }

  /** Logs the record of a finished erasure, also of one that waited in the outbox. */
  private logErased(
    id: string,
    { erasedAt, objects, bytes, aliases, purged }: Receipt,
    requestId: string | undefined,
  ): void {
    this.logger.log({ id, erasedAt, objects, bytes, aliases, purged, requestId }, 'erased an avatar');
  }

  /** Drops the entries that an erasure made void. The entry of the erasure itself stays. */
  private async dropVoid(id: string, end: Instant): Promise<Swept> {
    const swept = { objects: 0, bytes: 0 };
    for (const entry of this.pending.entriesOf(id)) {
      const { intent } = entry.change;
      if (intent.type === 'erase' || intent.at > end) continue;
      if (intent.type === 'publish') {
        swept.objects++;
        swept.bytes += intent.version.bytes;
      }
      await this.pending.remove(entry);
    }
    return swept;
  }
}

/** An erasure of everything. It confirms the last one if nothing was done to the avatar since. */
function erasureOf(manifest: Manifest, now: Date): Erase {
  const { erasedAt, head, versions } = manifest;
  const isNew =
    (head?.at ?? '') > (endOfErased(manifest) ?? '') || versions.length + aliasesOf(manifest).length > 0;
  const confirms = !isNew && erasedAt !== undefined && { confirms: erasedAt };
  return { type: 'erase', at: instantAfter(manifest, now), ...confirms };
}
