import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CodedError } from '../errors.js';
import { isInstant } from '../model/manifest-format.js';
import type { Instant } from '../model/manifest.js';
import { ObjectDamaged } from '../storage/object-store.js';
import { SingleFlight } from '../tools/single-flight.js';
import type { OutboxFolders } from './outbox-folders.js';
import type { Slot } from './slot.js';

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

interface Held<Change> extends OutboxEntry<Change> {
  slot: Slot;
  bytes: number;
}

/**
 * A durable queue on the local disk for changes that are accepted while the store is away. It keeps an entry
 * for each change, by id and in the order of acceptance. The owner of the changes carries them out and
 * removes them.
 */
export class Outbox<Change = unknown> {
  private readonly logger = new Logger(Outbox.name);
  private readonly held = new Map<string, Held<Change>>();
  private readonly byId = new Map<string, Held<Change>[]>();
  /** Bytes of entries that are being written, and of entries set aside, by name. */
  private readonly writing = new Map<string, number>();
  private readonly aside = new Map<string, number>();
  private readonly moving = new SingleFlight<void>();

  private constructor(
    private readonly folders: OutboxFolders,
    private readonly format: ChangeFormat<Change>,
    readonly limits: OutboxLimits,
  ) {}

  /**
   * Opens the outbox with everything that earlier processes left in it.
   * @throws what the file system throws
   */
  static async open<Change>(
    folders: OutboxFolders,
    format: ChangeFormat<Change>,
    limits: OutboxLimits,
  ): Promise<Outbox<Change>> {
    const outbox = new Outbox(folders, format, limits);
    await outbox.adopt();
    return outbox;
  }

  /** Takes over the entries of processes that have ended. */
  async adopt(): Promise<void> {
    for await (const slot of this.folders.claim()) await this.load(slot);
  }

  /** All entries, oldest first. */
  entries(): OutboxEntry<Change>[] {
    return [...this.held.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The entries of one id, oldest first. */
  entriesOf(id: string): readonly OutboxEntry<Change>[] {
    return this.byId.get(id) ?? NOTHING;
  }

  has(name: string): boolean {
    return this.held.has(name);
  }

  /** Reads the attachment of an entry. @returns undefined if it has none, or no longer waits */
  async attachmentOf({ name }: OutboxEntry): Promise<Buffer | undefined> {
    return this.held.get(name)?.slot.attachment(name);
  }

  /**
   * Accepts a change. Once the promise resolves, the change survives a crash.
   * @throws CodedError `outbox_full`, or `storage_full` if the disk is full
   */
  async add(id: string, change: Change, attachment?: Buffer): Promise<void> {
    const entry = { name: uuidv7(), id, acceptedAt: new Date().toISOString() };
    const bytes = Buffer.from(JSON.stringify({ schema: 1, ...entry, ...this.format.write(change) }));
    const size = bytes.length + (attachment?.length ?? 0);
    const slot = this.folders.own;
    this.assertRoom(size);
    // Counted before it is written. Otherwise concurrent entries would all count on the same room.
    this.writing.set(entry.name, size);
    try {
      await slot.write(entry.name, bytes, attachment);
    } finally {
      this.writing.delete(entry.name);
    }
    this.index({ ...entry, change, slot, bytes: size });
  }

  /** Removes an entry that was carried out, or is void. */
  async remove({ name }: OutboxEntry): Promise<void> {
    const held = this.held.get(name);
    if (!held) return;
    await held.slot.remove(name);
    this.forget(held);
  }

  /** Moves an entry that can never be carried out aside, with the reason, so that it blocks nothing. */
  async setAside({ name }: OutboxEntry, reason: string): Promise<void> {
    const held = this.held.get(name);
    if (!held) return;
    // Several callers may set one entry aside at the same time, if its attachment is damaged.
    await this.moving.run(name, () => this.moveAside(held.slot, name, reason, held));
    this.forget(held);
  }

  /** Releases the folders to other processes. */
  async close(): Promise<void> {
    await this.folders.release();
  }

  report(): OutboxReport {
    let oldest = Infinity;
    for (const { acceptedAt } of this.held.values()) oldest = Math.min(oldest, Date.parse(acceptedAt));
    return {
      entries: this.held.size,
      bytes: this.bytes(),
      oldestAgeMs: Math.max(0, this.held.size === 0 ? 0 : Date.now() - oldest),
      setAside: this.aside.size,
    };
  }

  /** Whether the next change will be accepted. */
  private hasRoom(): boolean {
    const { maxEntries, maxBytes, maxAgeMs } = this.limits;
    const { entries, bytes, oldestAgeMs, setAside } = this.report();
    return entries + this.writing.size + setAside < maxEntries && bytes < maxBytes && oldestAgeMs <= maxAgeMs;
  }

  private assertRoom(size: number): void {
    if (this.hasRoom() && this.bytes() + size <= this.limits.maxBytes) return;
    throw new CodedError(
      'outbox_full',
      'The storage cannot be reached, and the outbox for changes is full. Try again later.',
    );
  }

  private bytes(): number {
    const sizes = [
      ...this.aside.values(),
      ...this.writing.values(),
      ...[...this.held.values()].map(({ bytes }) => bytes),
    ];
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  private index(held: Held<Change>): void {
    this.held.set(held.name, held);
    this.byId.set(held.id, [...(this.byId.get(held.id) ?? []), held]);
  }

  private forget(held: Held<Change>): void {
    this.held.delete(held.name);
    const rest = (this.byId.get(held.id) ?? []).filter(({ name }) => name !== held.name);
    if (rest.length > 0) this.byId.set(held.id, rest);
    else this.byId.delete(held.id);
  }

  private async load(slot: Slot): Promise<void> {
    for (const { name, place, bytes, hasAttachment } of await slot.files()) {
      if (place === 'aside') {
        this.aside.set(name, bytes);
        continue;
      }
      try {
        const file = await slot.entry(name);
        if (file === undefined) continue;
        this.index({ ...this.parse(name, file, hasAttachment), slot, bytes });
      } catch (error) {
        // Whatever else the disk says is no reason to give the entry up.
        if (error instanceof CodedError && !(error instanceof ObjectDamaged)) throw error;
        await this.moveAside(slot, name, (error as Error).message);
      }
    }
  }

  /** @throws Error if the file holds no entry */
  private parse(name: string, file: Buffer, hasAttachment: boolean): OutboxEntry<Change> {
    const fields = JSON.parse(file.toString()) as Record<string, unknown>;
    const { schema, id, acceptedAt } = fields;
    if (schema !== 1 || typeof id !== 'string' || !isInstant(acceptedAt)) {
      throw new Error('not an entry of schema 1');
    }
    return { name, id, acceptedAt, change: this.format.read(id, fields, hasAttachment) };
  }

  private async moveAside(
    slot: Slot,
    name: string,
    reason: string,
    entry?: OutboxEntry<Change>,
  ): Promise<void> {
    const { bytes, path } = await slot.moveAside(name, reason);
    this.aside.set(name, bytes);
    const known = entry && { id: entry.id, change: this.format.nameOf(entry.change) };
    this.logger.error(
      { ...known, entry: path, reason },
      'an outbox entry was set aside. Fix the cause, stop the service, move the files of the entry from aside/ to pending/, and ' +
        'start the service: see docs/operations.md',
    );
  }
}

const NOTHING: readonly never[] = [];
