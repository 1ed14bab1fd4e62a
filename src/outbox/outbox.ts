import type { Instant } from '../model/manifest.js';

export interface OutboxLimits {
  maxEntries: number;
  /** Total of entries and attachments, including those set aside. */
  maxBytes: number;
  /** Once an entry is older than this, in ms, no more are accepted: the outage is not a short one. */
  maxAgeMs: number;
}

/** Writes and reads the changes. Their owner provides it, so that the outbox need not know what they mean. */
export interface ChangeFormat<Change> {
  /**
   * The fields of an entry's JSON that hold a change. The outbox adds `schema`, `name`, `id` and
   * `acceptedAt`.
   */
  write(change: Change): object;
  /** @throws Error if the fields hold no change that was accepted for this id; its message is the reason */
  read(id: string, fields: Readonly<Record<string, unknown>>, hasAttachment: boolean): Change;
  /** The kind of a change, for the log. */
  nameOf(change: Change): string;
}

/** A change that was accepted while the store was away. */
export interface OutboxEntry<Change = unknown> {
  /** A UUIDv7: entries sort by when they were accepted. */
  readonly name: string;
  readonly id: string;
  readonly change: Change;
  readonly acceptedAt: Instant;
}

export interface OutboxReport {
  entries: number;
  bytes: number;
  /** Age of the oldest entry in ms; 0 if there is none. */
  oldestAgeMs: number;
  /** Entries that can never be carried out, kept for an operator. */
  setAside: number;
}

/**
 * A durable queue for changes that are accepted while the store is away: an entry for each change, by id and
 * in the order of acceptance. The owner of the changes carries them out and removes them. The port of
 * `DiskOutbox`, and of `NoOutbox` where nothing may wait.
 */
export abstract class Outbox<Change = unknown> {
  /** Whether changes may wait. Without that, it stays empty. */
  abstract readonly enabled: boolean;

  abstract readonly limits: OutboxLimits;

  /** Takes over the entries of processes that have ended. @throws what the file system throws */
  abstract adopt(): Promise<void>;

  /** All entries, oldest first. */
  abstract entries(): OutboxEntry<Change>[];

  /** The entries of one id, oldest first. */
  abstract entriesOf(id: string): readonly OutboxEntry<Change>[];

  /** Reads the attachment of an entry. @returns undefined if it has none, or no longer waits */
  abstract attachmentOf(entry: OutboxEntry): Promise<Buffer | undefined>;

  /**
   * Accepts a change. Once the promise resolves, the change survives a crash.
   * @throws CodedError `outbox_full`, or `storage_full` if the disk is full
   */
  abstract add(id: string, change: Change, attachment?: Buffer): Promise<void>;

  /** Removes an entry that was carried out, or is void. */
  abstract remove(entry: OutboxEntry): Promise<void>;

  /** Moves an entry that can never be carried out aside, with the reason, so that it blocks nothing. */
  abstract setAside(entry: OutboxEntry, reason: string): Promise<void>;

  /** Releases the folders to other processes. */
  abstract close(): Promise<void>;

  abstract report(): OutboxReport;
}
