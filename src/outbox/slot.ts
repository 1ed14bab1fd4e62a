import type { LocalStore } from '../storage/local/local.store.js';

const PENDING = 'pending';
const ASIDE = 'aside';

/** The files of one entry, as found on disk. */
export interface SlotFiles {
  name: string;
  place: typeof PENDING | typeof ASIDE;
  /** Size of the entry and its attachment together. */
  bytes: number;
  hasAttachment: boolean;
}

/**
 * One folder of the outbox: `pending/NAME.json` is an entry and `pending/NAME.master` its attachment;
 * `aside/` holds entries that can't be carried out. An attachment is written before its entry and removed
 * after it, so that no entry ever lacks its attachment.
 */
export class Slot {
  constructor(
    readonly path: string,
    private readonly store: LocalStore,
  ) {}

  /** Lists the entries. Deletes attachments whose entry was never written or is already removed. */
  async files(): Promise<SlotFiles[]> {
    const sizes = new Map<string, number>();
    for await (const { key, size } of this.store.list('')) sizes.set(key, size);
    const found: SlotFiles[] = [];
    for (const [key, size] of sizes) {
      const [, place, name = '', ending] = /^(pending|aside)\/(.+)\.(json|master)$/.exec(key) ?? [];
      if (place !== PENDING && place !== ASIDE) continue;
      if (ending === 'json') {
        const attachment = sizes.get(attachmentKey(place, name));
        const bytes = size + (attachment ?? 0);
        found.push({ name, place, bytes, hasAttachment: attachment !== undefined });
      } else if (place === PENDING && !sizes.has(entryKey(PENDING, name))) await this.store.delete(key);
    }
    return found;
  }

  /** Reads an entry. @returns undefined if no such entry waits */
  entry(name: string): Promise<Buffer | undefined> {
    return this.read(entryKey(PENDING, name));
  }

  /** Reads an attachment. @returns undefined if no such entry waits, or it has none */
  attachment(name: string): Promise<Buffer | undefined> {
    return this.read(attachmentKey(PENDING, name));
  }

  /**
   * Writes an entry. Once the promise resolves, the entry survives a crash.
   * @throws StorageFull and other errors of the disk
   */
  async write(name: string, entry: Buffer, attachment: Buffer | undefined): Promise<void> {
    try {
      if (attachment) await this.store.store(attachmentKey(PENDING, name), attachment);
      await this.store.store(entryKey(PENDING, name), entry);
    } catch (error) {
      if (attachment) await this.store.delete(attachmentKey(PENDING, name));
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await this.store.delete(entryKey(PENDING, name));
    await this.store.delete(attachmentKey(PENDING, name));
  }

  /** Moves an entry to `aside/`, with the reason beside it. @returns its bytes, and the path of its file */
  async moveAside(name: string, reason: string): Promise<{ bytes: number; path: string }> {
    await this.store.store(`${ASIDE}/${name}.reason`, Buffer.from(`${reason}\n`));
    let bytes = 0;
    for (const keyOf of [attachmentKey, entryKey])
      bytes += (await this.store.move(keyOf(PENDING, name), keyOf(ASIDE, name))) ?? 0;
    return { bytes, path: `${this.path}/${entryKey(ASIDE, name)}` };
  }

  private async read(key: string): Promise<Buffer | undefined> {
    const object = await this.store.get(key);
    return object === undefined || object === 'unchanged' ? undefined : object.bytes;
  }
}

function entryKey(place: string, name: string): string {
  return `${place}/${name}.json`;
}

function attachmentKey(place: string, name: string): string {
  return `${place}/${name}.master`;
}
