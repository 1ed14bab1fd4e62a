import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CodedError } from '../errors.js';
import { isInstant } from '../model/manifest-format.js';
import { ObjectDamaged } from '../storage/object-store.js';
import { KeyedMutex } from '../tools/keyed-mutex.js';
import {
  type ChangeFormat,
  Outbox,
  type OutboxEntry,
  type OutboxLimits,
  type OutboxReport,
} from './outbox.js';
import type { OutboxFolders } from './outbox-folders.js';
import type { Slot } from './slot.js';

interface Held<Change> extends OutboxEntry<Change> {
  slot: Slot;
  bytes: number;
}

/** An outbox on the local disk. */
export class DiskOutbox<Change = unknown> extends Outbox<Change> {
  readonly enabled = true;
  private readonly logger = new Logger(Outbox.name);
  private readonly held = new Map<string, Held<Change>>();
  private readonly byId = new Map<string, Held<Change>[]>();
  /** Bytes of entries that are being written, and of entries set aside, by name. */
  private readonly writing = new Map<string, number>();
  private readonly aside = new Map<string, number>();
  private readonly leaving = new KeyedMutex();

  private constructor(
    private readonly folders: OutboxFolders,
    private readonly format: ChangeFormat<Change>,
    readonly limits: OutboxLimits,
  ) {
    super();
  }

  /**
   * Opens the outbox with everything that earlier processes left in it.
   * @throws what the file system throws
   */
  static async open<Change>(
    folders: OutboxFolders,
    format: ChangeFormat<Change>,
    limits: OutboxLimits,
  ): Promise<DiskOutbox<Change>> {
    const outbox = new DiskOutbox(folders, format, limits);
    await outbox.adopt();
    return outbox;
  }

  async adopt(): Promise<void> {
    for await (const slot of this.folders.claim()) await this.load(slot);
  }

  entries(): OutboxEntry<Change>[] {
    return [...this.held.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  entriesOf(id: string): readonly OutboxEntry<Change>[] {
    return this.byId.get(id) ?? NOTHING;
  }

  async attachmentOf({ name }: OutboxEntry): Promise<Buffer | undefined> {
    return this.held.get(name)?.slot.attachment(name);
  }

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

  async remove({ name }: OutboxEntry): Promise<void> {
    await this.letGo(name, (held) => held.slot.remove(name));
  }

  async setAside({ name }: OutboxEntry, reason: string): Promise<void> {
    await this.letGo(name, (held) => this.moveAside(held.slot, name, reason, held));
  }

  /**
   * Takes an entry out of the queue, once. An erasure may remove it while a replay finds its attachment gone,
   * and several readers may find that it is damaged.
   */
  private async letGo(name: string, take: (held: Held<Change>) => Promise<void>): Promise<void> {
    await this.leaving.run(name, async () => {
      const held = this.held.get(name);
      if (!held) return;
      await take(held);
      this.forget(held);
    });
  }

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
