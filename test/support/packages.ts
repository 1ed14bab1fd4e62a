import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * The folder of a package in the version that is named. For what cannot be installed beside ours: npm would
 * let its commands take the place of ours.
 */
export function packageAt(name: string, version: string): string {
  const cache = resolve('node_modules/.cache');
  const folder = join(cache, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, 'making-'));
  const [packed = ''] = execFileSync(
    'npm',
    ['pack', `${name}@${version}`, '--silent', '--pack-destination', making],
    { encoding: 'utf8' },
  ).split('\n');
  execFileSync('tar', ['-xzf', join(making, packed), '-C', making]);
  renameSync(join(making, 'package'), folder);
  rmSync(making, { recursive: true });
  return folder;
}
