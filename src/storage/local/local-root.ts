import { randomUUID } from 'node:crypto';
import { access, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../files.js';
import { Once } from '../../tools/once.js';
import { codeOf } from './file-errors.js';

/** How the name of the file begins that tells one root from another. */
const MARKER = 'root-';

/**
 * The folder that holds the objects, and next to them hidden folders of our own.
 *
 * It is made at the first write, and never again: a disk that was unmounted, or a folder that was deleted, is
 * an outage and not an empty storage. A file with a unique name, the marker, tells the root from any other
 * folder in its place. Reads make nothing.
 */
export class LocalRoot {
  readonly temporaries: string;
  readonly locks: string;
  readonly reserve: string;
  private readonly marker = new Once(() => this.open());

  /** @param path absolute */
  constructor(readonly path: string) {
    this.temporaries = join(path, '.tmp');
    this.locks = join(path, '.locks');
    this.reserve = join(path, '.reserve');
  }

  /**
   * For reads that found nothing.
   * @throws what the file system throws if the root is not there, or not the one that this process wrote to
   */
  async assertThere(): Promise<void> {
    if (this.marker.hasBegun) await this.makeOrAssertSame();
    else await access(this.path);
  }

  /**
   * Makes the root at the first write. Later it has to be the same one.
   * @throws what the file system throws if it is not
   */
  async makeOrAssertSame(): Promise<void> {
    const marker = await this.marker.run();
    try {
      await access(marker);
    } catch (error) {
      const reason =
        `${this.path} is not the folder that it was when this process began to use it: mount or restore it. If the folder there now ` +
        'is the right one, restart the service: it uses what is there, and deletes nothing';
      throw Object.assign(new Error(reason, { cause: error }), { code: codeOf(error) });
    }
  }

  /** @returns the path of the marker */
  private async open(): Promise<string> {
    for (const folder of [this.temporaries, this.locks]) await makeFolder(folder);
    const known = (await readdir(this.locks)).find((name) => name.startsWith(MARKER));
    const marker = join(this.locks, known ?? `${MARKER}${randomUUID()}`);
    if (known === undefined) await (await open(marker, 'a')).close();
    return marker;
  }
}
