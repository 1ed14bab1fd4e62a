import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The only folder that a run writes to, apart from the build. It contains the temporary folder of the tests. */
export class Scratch {
  path = mkdtempSync(join(tmpdir(), 'visage-test-'));

  /** @returns the path of a new folder in it */
  folder(name) {
    const path = join(this.path, name);
    mkdirSync(path);
    return path;
  }

  /** Works even if an interrupted test has left a disk mounted in it. */
  remove() {
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const [, target = ''] = line.split(' ');
      if (target.startsWith(`${this.path}/`)) spawnSync('umount', ['--lazy', target], { stdio: 'inherit' });
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}
