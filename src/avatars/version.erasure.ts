import { Injectable, Logger } from '@nestjs/common';
import { aliasesOf } from '../model/alias.js';
import type { EraseVersion } from '../model/intents.js';
import { type Instant, type Manifest, isErasedAlone, versionNamed } from '../model/manifest.js';
import { AvatarChanges, type Committed, versionNotFound } from './avatar.changes.js';
import { AvatarEvents, type Purged } from './avatar.events.js';
import { AvatarObjects, type Swept } from './avatar.objects.js';
import { ManifestSwap } from './manifest-swap.js';
import { PendingChanges } from './pending-changes.js';

/** Tells what the erasure of a version removed. */
export interface VersionReceipt extends Swept {
  version: string;
  /** When it was erased first. */
  erasedAt: Instant;
  /** What a CDN was asked to forget. Absent if there is none. */
  purged?: Purged;
}

export interface EraseVersionOptions {
  /** When it was erased, by its receipt. The version need not be known then: a backup may lack it. */
  erasedAt?: Instant | undefined;
  /** The request that asked for it, for the log. */
  requestId?: string | undefined;
}

/**
 * Removes single versions for good, and nothing else of their avatars: whatever still waits for such a
 * version becomes void.
 */
@Injectable()
export class VersionErasure {
  private readonly logger = new Logger(VersionErasure.name);

  constructor(
    private readonly changes: AvatarChanges,
    private readonly objects: AvatarObjects,
    private readonly manifests: ManifestSwap,
    private readonly pending: PendingChanges,
    private readonly events: AvatarEvents,
  ) {}

  /**
   * Removes a version for good. If it is the current one, the avatar has no picture then.
   * @returns a receipt; if the erasure is pending, only for what it removed from the outbox
   * @throws CodedError `version_not_found` if the store knows nothing of it and it was not erased before;
   * what the store and the outbox throw
   */
  async erase(
    id: string,
    version: string,
    { erasedAt: before, requestId }: EraseVersionOptions = {},
  ): Promise<VersionReceipt & { committed: Committed }> {
    const { manifest, away, at: now } = await this.changes.begin(id);
    const mustBeKnown = before === undefined && away === undefined;
    if (mustBeKnown && !(await this.isKnown(manifest, version))) throw versionNotFound();
    const at = before ?? now;
    const { head } = manifest;
    const shown = head?.version === version && { shownAt: head.at };
    const intent: EraseVersion = { type: 'eraseVersion', at, version, ...shown };
    const stored = await this.pending.commitOrQueue(id, { intent, requestId }, { away, exact: false }, () =>
      this.eraseStored(id, intent),
    );
    await this.events.erased(id, (one) => one === version);
    const voided = await this.dropVoid(id, version);
    const purge = { id, aliases: aliasesOf(manifest), aliased: false, registered: false };
    const purged = await this.events.purge(purge);
    const { erasedAt, objects, bytes } =
      stored === 'pending' ? { erasedAt: at, objects: 0, bytes: 0 } : stored;
    const receipt = {
      version,
      erasedAt,
      objects: objects + voided.objects,
      bytes: bytes + voided.bytes,
      ...(purged && { purged }),
    };
    if (stored !== 'pending') this.logErased(id, receipt, requestId);
    return { ...receipt, committed: stored === 'pending' ? 'pending' : 'stored' };
  }

  /** Tells what the erasure of a version would remove from the store. Changes nothing. */
  preview(id: string, version: string): Promise<Swept> {
    return this.objects.sweepVersion(id, version, true);
  }

  /** Carries out an erasure that waited, exactly once however often it is called. */
  async replay(id: string, intent: EraseVersion, requestId: string | undefined): Promise<void> {
    this.logErased(id, await this.eraseStored(id, intent), requestId);
  }

  /** The manifest comes first: what others store of the version from then on, they delete again. */
  private async eraseStored(id: string, intent: EraseVersion): Promise<VersionReceipt> {
    const { version, at } = intent;
    const { manifest } = await this.manifests.change(id, () => intent);
    // Without a mark of its own, an erasure of the whole avatar covers it.
    const erasedAt = manifest.erased?.find((one) => one.version === version)?.at ?? at;
    return { version, erasedAt, ...(await this.objects.sweepVersion(id, version)) };
  }

  /** Whether a version is there, has left the history but still has objects, or was erased before. */
  private async isKnown(manifest: Manifest, version: string): Promise<boolean> {
    if (versionNamed(manifest, version) || isErasedAlone(manifest, version)) return true;
    return (await this.preview(manifest.id, version)).objects > 0;
  }

  private logErased(id: string, receipt: VersionReceipt, requestId: string | undefined): void {
    this.logger.log({ id, ...receipt, requestId }, 'erased a version of an avatar');
  }

  /** Drops the entries that would bring the version back. The entry of the erasure itself stays. */
  private async dropVoid(id: string, version: string): Promise<Swept> {
    const swept = { objects: 0, bytes: 0 };
    for (const entry of this.pending.entriesOf(id)) {
      const { intent } = entry.change;
      if (!('version' in intent) || intent.type === 'eraseVersion') continue;
      if (intent.version.version !== version) continue;
      if (intent.type === 'publish') {
        swept.objects++;
        swept.bytes += intent.version.bytes;
      }
      await this.pending.remove(entry);
    }
    return swept;
  }
}
