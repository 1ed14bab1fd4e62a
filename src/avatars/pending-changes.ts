import { Injectable } from '@nestjs/common';
import { isId } from '../model/keys.js';
import { faultOfIntent } from '../model/manifest-format.js';
import type { PendingIntent } from '../model/intents.js';
import type { Version } from '../model/manifest.js';
import { type ChangeFormat, Outbox, type OutboxEntry } from '../outbox/outbox.js';
import { ObjectDamaged, isAway } from '../storage/object-store.js';
import { damageOf } from './damage.js';

/** A change that was accepted while the store was away. */
export interface PendingChange {
  readonly intent: PendingIntent;
  /** The request that asked for an erasure, for the log. Entries of the first releases have none. */
  readonly requestId?: string | undefined;
  /** It may not be carried out if the avatar was locked when it was accepted. */
  readonly unlessLocked?: boolean | undefined;
}

export type PendingEntry = OutboxEntry<PendingChange>;

/** The format of pending changes in the outbox. The attachment of a publish is its master. */
export const PENDING_CHANGES: ChangeFormat<PendingChange> = {
  write: ({ intent, requestId, unlessLocked }) => ({
    intent,
    ...(requestId !== undefined && { requestId }),
    ...(unlessLocked && { unlessLocked }),
  }),
  read(id, { intent, requestId, unlessLocked }, hasAttachment) {
    if (!isId(id)) throw new Error('not an entry of schema 1');
    const fault = faultOfIntent(intent);
    if (fault !== undefined) throw new Error(`the intent cannot be read: ${fault}`);
    const readable = intent as PendingIntent;
    if (readable.type === 'publish' && !hasAttachment) throw new Error('the master is missing');
    return {
      intent: readable,
      ...(typeof requestId === 'string' && { requestId }),
      ...(unlessLocked === true && { unlessLocked }),
    };
  },
  nameOf: ({ intent }) => intent.type,
};

/** Decides whether a change may be queued. */
export interface QueueRules {
  /** Why the store could not be asked before the change; undefined: it could. */
  away?: Error | undefined;
  /**
   * Whether the change is only right if the store confirms what is current. Such a change is never queued.
   */
  exact: boolean;
}

/**
 * Keeps the changes that wait for the store. Without an outbox nothing waits, and changes fail while the
 * store is away.
 */
@Injectable()
export class PendingChanges {
  constructor(private readonly outbox: Outbox<PendingChange>) {}

  /** Whether changes may wait at all. */
  get enabled(): boolean {
    return this.outbox.enabled;
  }

  /** The waiting intents of an avatar, oldest first. */
  intentsOf(id: string): readonly PendingIntent[] {
    return this.entriesOf(id).map(({ change }) => change.intent);
  }

  /** The entries of an avatar, oldest first. */
  entriesOf(id: string): readonly PendingEntry[] {
    return this.outbox.entriesOf(id);
  }

  /** Whether a version waits to be published. */
  isWaiting(id: string, version: string): boolean {
    return this.entryOf(id, version) !== undefined;
  }

  /**
   * A master that is not in the store yet.
   * @returns undefined if the version doesn't wait, or its master is damaged
   */
  async master(id: string, version: string): Promise<{ version: Version; bytes: Buffer } | undefined> {
    const entry = this.entryOf(id, version);
    const bytes = entry && (await this.masterOf(entry));
    return entry?.change.intent.type === 'publish' && bytes
      ? { version: entry.change.intent.version, bytes }
      : undefined;
  }

  /**
   * Reads the master that an entry came with. Sets the entry aside if its master has changed on disk.
   * @returns undefined if there is none, or it has changed
   */
  async masterOf(entry: PendingEntry): Promise<Buffer | undefined> {
    const { intent } = entry.change;
    try {
      const bytes = await this.outbox.attachmentOf(entry);
      if (!bytes || intent.type !== 'publish') return bytes;
      if (damageOf(bytes, intent.version.master, intent.version) === undefined) return bytes;
    } catch (error) {
      if (!(error instanceof ObjectDamaged)) throw error;
    }
    await this.outbox.setAside(entry, 'the master on disk is not the one that was accepted');
    return undefined;
  }

  async remove(entry: PendingEntry): Promise<void> {
    await this.outbox.remove(entry);
  }

  /**
   * Commits a change to the store, or queues it if the store is away.
   * @param change with the master if it publishes a version
   * @returns what `commit` returned, or `pending` if the change waits
   * @throws what `commit` throws, if the change may not wait; CodedError `outbox_full`, `storage_full`
   */
  async commitOrQueue<T>(
    id: string,
    change: PendingChange & { master?: Buffer | undefined },
    { away, exact }: QueueRules,
    commit: () => Promise<T>,
  ): Promise<T | 'pending'> {
    if (away === undefined) {
      try {
        return await commit();
      } catch (error) {
        if (exact || !this.enabled || !isAway(error)) throw error;
      }
    }
    const { master, ...pending } = change;
    await this.outbox.add(id, pending, master);
    return 'pending';
  }

  private entryOf(id: string, version: string): PendingEntry | undefined {
    return this.entriesOf(id).find(
      ({ change: { intent } }) => intent.type === 'publish' && intent.version.version === version,
    );
  }
}
