import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The one folder that a run writes to, apart from the build; what the tests make in their temporary folder is in it. */
export class Scratch {
  path = mkdtempSync(join(tmpdir(), 'visage-test-'));

  /** @returns the path of a new folder in it */
  folder(name) {
    const path = join(this.path, name);
    mkdirSync(path);
    return path;
  }

  /** Also where a test that was cut has left a disk mounted in it. */
  remove() {
    for (const line of readFileSync('/proc/mounts', 'utf8').split('\n').reverse()) {
      const [, target = ''] = line.split(' ');
      if (target.startsWith(`${this.path}/`)) spawnSync('umount', ['--lazy', target], { stdio: 'inherit' });
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}
