import { createHash } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { CodedError } from '../errors.js';
import type { MasterFormat } from '../model/formats.js';
import { isId } from '../model/keys.js';
import { faultOfIntent, isInstant } from '../model/manifest-format.js';
import type { Instant, PictureIntent, Version } from '../model/manifest.js';
import type { OutboxFolder, OutboxFolders } from './outbox-folders.js';

export interface OutboxLimits {
  maxEntries: number;
  /** Of masters and entries together, what was set aside included. */
  maxBytes: number;
  /** With an entry older than this, in ms, no more are taken: this is no short outage. */
  maxAgeMs: number;
}

/** What was accepted while the store was away. */
export interface OutboxEntry {
  /** A UUIDv7: entries sort by when they were accepted. */
  readonly name: string;
  readonly id: string;
  readonly intent: PictureIntent;
  readonly acceptedAt: Instant;
  /** Of who asked for an erasure; entries of the first releases have none. */
  readonly requestId?: string;
}

export interface OutboxReport {
  entries: number;
  bytes: number;
  /** Age of the oldest entry in ms; 0 where there is none. */
  oldestAgeMs: number;
  /** Entries that can never be carried out, kept for an operator. */
  setAside: number;
}

interface Held extends OutboxEntry {
  folder: OutboxFolder;
  bytes: number;
  /** On its way to those that were set aside. */
  moving?: Promise<void>;
}

const PENDING = 'pending';
const ASIDE = 'aside';

/**
 * Intents, and the masters that they need, written durably to the local disk while the store is away. An entry is a file of
 * JSON, written after its master and removed before it.
 */
export class Outbox {
  private readonly logger = new Logger(Outbox.name);
  private readonly held = new Map<string, Held>();
  private readonly byId = new Map<string, Held[]>();
  /** Bytes of those that are being written, and of those that were set aside, by name. */
  private readonly writing = new Map<string, number>();
  private readonly aside = new Map<string, number>();

  private constructor(
    private readonly folders: OutboxFolders,
    readonly limits: OutboxLimits,
  ) {}

  /** Opens the outbox with all that earlier processes left in it. @throws what the file system throws */
  static async open(folders: OutboxFolders, limits: OutboxLimits): Promise<Outbox> {
    const outbox = new Outbox(folders, limits);
    await outbox.adopt();
    return outbox;
  }

  /** Takes over what processes that have ended left in folders of theirs. */
  async adopt(): Promise<void> {
    for await (const folder of this.folders.claim()) await this.load(folder);
  }

  /** Intents of an avatar that are not in the store yet, oldest first. */
  of(id: string): readonly PictureIntent[] {
    return this.byId.get(id)?.map(({ intent }) => intent) ?? [];
  }

  /** All entries, oldest first. */
  entries(): OutboxEntry[] {
    return [...this.held.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those of one avatar, oldest first. */
  entriesOf(id: string): readonly OutboxEntry[] {
    return this.byId.get(id) ?? NOTHING;
  }

  /** Whether an entry of that name waits. */
  has(name: string): boolean {
    return this.held.has(name);
  }

  /** Whether a version waits here to be published. */
  holds(id: string, version: string): boolean {
    return this.entryOfVersion(id, version) !== undefined;
  }

  /** A master that is not in the store yet. @returns undefined where the outbox does not hold it */
  async master(id: string, version: string): Promise<{ format: MasterFormat; bytes: Buffer } | undefined> {
    const entry = this.entryOfVersion(id, version);
    const bytes = entry && (await this.masterOf(entry));
    return entry?.intent.type === 'publish' && bytes
      ? { format: entry.intent.version.master, bytes }
      : undefined;
  }

  /**
   * The master that an entry came with. An entry whose master was changed on disk is set aside.
   * @returns undefined where there is none, or not the one that was accepted
   */
  async masterOf({ name }: OutboxEntry): Promise<Buffer | undefined> {
    const held = this.held.get(name);
    const object = await held?.folder.store.get(masterName(PENDING, name));
    if (!held || object === undefined || object === 'unchanged') return undefined;
    if (held.intent.type === 'publish' && !isMasterOf(held.intent.version, object.bytes)) {
      await this.setAside(held, 'the master on disk is not the one that was accepted');
      return undefined;
    }
    return object.bytes;
  }

  /**
   * Accepts an intent. When the promise resolves it survives a crash.
   * @param master of a version that is published
   * @param requestId of who asked for it
   * @throws CodedError `outbox_full`; `storage_full` where the disk is
   */
  async add(id: string, intent: PictureIntent, master?: Buffer, requestId?: string): Promise<void> {
    const acceptedAt = new Date().toISOString();
    const entry = { name: uuidv7(), id, intent, acceptedAt, ...(requestId !== undefined && { requestId }) };
    const bytes = Buffer.from(JSON.stringify({ schema: 1, ...entry }));
    const size = bytes.length + (master?.length ?? 0);
    const held = { ...entry, folder: this.folders.own, bytes: size };
    this.assertRoom(size);
    // Counted before it is written, so that those who come at the same time do not all find the same room.
    this.writing.set(entry.name, size);
    try {
      if (master) await held.folder.store.store(masterName(PENDING, entry.name), master);
      await held.folder.store.store(entryName(PENDING, entry.name), bytes);
    } catch (error) {
      if (master) await held.folder.store.delete(masterName(PENDING, entry.name));
      throw error;
    } finally {
      this.writing.delete(entry.name);
    }
    this.hold(held);
  }

  /** Removes an entry that was carried out, or that an erasure made void. */
  async remove({ name }: OutboxEntry): Promise<void> {
    const held = this.held.get(name);
    if (!held) return;
    await held.folder.store.delete(entryName(PENDING, name));
    await held.folder.store.delete(masterName(PENDING, name));
    this.forget(held);
  }

  /** Puts an entry that can never be carried out where it blocks nothing, with the reason. */
  async setAside({ name }: OutboxEntry, reason: string): Promise<void> {
    const held = this.held.get(name);
    if (!held) return;
    // Readers and the replay may find at the same time that a master is damaged.
    held.moving ??= this.moveAside(held.folder, name, reason, held).finally(() => {
      delete held.moving;
    });
    await held.moving;
    this.forget(held);
  }

  /** Lets other processes have the folders. */
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

  /** Whether the next upload will be taken. */
  hasRoom(): boolean {
    const { maxEntries, maxBytes, maxAgeMs } = this.limits;
    const { entries, bytes, oldestAgeMs, setAside } = this.report();
    return entries + this.writing.size + setAside < maxEntries && bytes < maxBytes && oldestAgeMs <= maxAgeMs;
  }

  private assertRoom(size: number): void {
    if (this.hasRoom() && this.bytes() + size <= this.limits.maxBytes) return;
    throw new CodedError(
      'outbox_full',
      'The storage cannot be reached, and what may wait for it is full. Try again later.',
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

  private entryOfVersion(id: string, version: string): Held | undefined {
    return this.byId
      .get(id)
      ?.find(({ intent }) => intent.type === 'publish' && intent.version.version === version);
  }

  private hold(held: Held): void {
    this.held.set(held.name, held);
    this.byId.set(held.id, [...(this.byId.get(held.id) ?? []), held]);
  }

  private forget(held: Held): void {
    this.held.delete(held.name);
    const rest = (this.byId.get(held.id) ?? []).filter(({ name }) => name !== held.name);
    if (rest.length > 0) this.byId.set(held.id, rest);
    else this.byId.delete(held.id);
  }

  private async load(folder: OutboxFolder): Promise<void> {
    const sizes = new Map<string, number>();
    for await (const { key, size } of folder.store.list('')) sizes.set(key, size);
    for (const key of sizes.keys()) {
      const [, place, name = ''] = /^(pending|aside)\/(.+)\.json$/.exec(key) ?? [];
      const bytes = (sizes.get(key) ?? 0) + (sizes.get(masterName(place ?? '', name)) ?? 0);
      if (place === ASIDE) this.aside.set(name, bytes);
      if (place === PENDING) await this.loadEntry(folder, name, bytes, sizes.has(masterName(PENDING, name)));
    }
    // A master whose entry was never written, or has gone already.
    for (const key of sizes.keys()) {
      const [, name] = /^pending\/(.+)\.master$/.exec(key) ?? [];
      if (name !== undefined && !sizes.has(entryName(PENDING, name))) await folder.store.delete(key);
    }
  }

  private async loadEntry(
    folder: OutboxFolder,
    name: string,
    bytes: number,
    hasMaster: boolean,
  ): Promise<void> {
    const object = await folder.store.get(entryName(PENDING, name));
    if (object === undefined || object === 'unchanged') return;
    try {
      const entry = parseEntry(name, object.bytes);
      if (entry.intent.type === 'publish' && !hasMaster) throw new Error('the master is missing');
      const held = { ...entry, folder, bytes };
      this.hold(held);
    } catch (error) {
      await this.moveAside(folder, name, (error as Error).message);
    }
  }

  private async moveAside(
    { store, path }: OutboxFolder,
    name: string,
    reason: string,
    entry?: OutboxEntry,
  ): Promise<void> {
    let bytes = 0;
    for (const nameOf of [masterName, entryName]) {
      const object = await store.get(nameOf(PENDING, name));
      if (object === undefined || object === 'unchanged') continue;
      await store.store(nameOf(ASIDE, name), object.bytes);
      bytes += object.bytes.length;
    }
    await store.store(`${ASIDE}/${name}.reason`, Buffer.from(`${reason}\n`));
    await store.delete(entryName(PENDING, name));
    await store.delete(masterName(PENDING, name));
    this.aside.set(name, bytes);
    this.logger.error(
      {
        ...(entry && { id: entry.id, change: entry.intent.type }),
        entry: `${path}/${entryName(ASIDE, name)}`,
        reason,
      },
      'an outbox entry was set aside. Fix the cause, stop the service, move the files of the entry from aside/ to pending/, and ' +
        'start the service: see docs/operations.md',
    );
  }
}

/** Versions of the first releases have no checksum. */
function isMasterOf({ bytes: length, sha256 }: Version, bytes: Buffer): boolean {
  if (bytes.length !== length) return false;
  return sha256 === undefined || createHash('sha256').update(bytes).digest('hex') === sha256;
}

const NOTHING: readonly never[] = [];

function entryName(place: string, name: string): string {
  return `${place}/${name}.json`;
}

function masterName(place: string, name: string): string {
  return `${place}/${name}.master`;
}

/** @throws Error where the bytes are not an entry */
function parseEntry(name: string, bytes: Buffer): OutboxEntry {
  const { schema, id, intent, acceptedAt, requestId } = JSON.parse(bytes.toString()) as Record<string, unknown>;
  if (schema !== 1 || typeof id !== 'string' || !isId(id) || !isInstant(acceptedAt)) {
    throw new Error('not an entry of schema 1');
  }
  const fault = faultOfIntent(intent);
  if (fault !== undefined) throw new Error(`the intent cannot be read: ${fault}`);
  const asked = typeof requestId === 'string' && { requestId };
  return { name, id, intent: intent as PictureIntent, acceptedAt, ...asked };
}
