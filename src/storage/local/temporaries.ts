import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { removeFile } from '../../files.js';
import { translated } from './file-errors.js';
import { entriesOf, statIfThere } from './object-files.js';

/** A temporary file older than this, in ms, belongs to a process that died. */
const STALE_AFTER_MS = 3_600_000;

/** The files of writes that are not done yet. */
export class Temporaries {
  constructor(private readonly folder: string) {}

  /** A path that no other write has. */
  newPath(): string {
    return join(this.folder, randomUUID());
  }

  /** Files of writes that began an hour ago and never ended. */
  async *stuck(): AsyncIterable<{ path: string; modifiedAt: Date }> {
    for (const entry of await translated(() => entriesOf(this.folder))) {
      const path = join(this.folder, entry.name);
      const found = await translated(() => statIfThere(path));
      if (found && Date.now() - found.mtimeMs > STALE_AFTER_MS) yield { path, modifiedAt: found.mtime };
    }
  }

  async removeStuck(): Promise<void> {
    for await (const { path } of this.stuck()) await removeFile(path);
  }
}
