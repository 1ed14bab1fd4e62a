import { mkdir, mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../src/cli/command.js';
import { openExisting } from '../../src/cli/stores.js';
import { Settings } from '../../src/config/settings.js';
import { visage } from './support/program.js';

/** Neither root nor the owner of the folder. */
const OTHER = 65_534;

describe('a command', () => {
  let folder: string;
  beforeAll(async () => {
    // Only its owner may look into it.
    folder = await mkdtemp(join(tmpdir(), 'visage-denied-'));
    await mkdir(join(folder, 'avatars'));
  });

  if (process.getuid?.() === 0) {
    it('leaves it to the storage to say that it may not look at its folder', () => {
      const settings = Object.assign(new Settings(), { storageLocalPath: join(folder, 'avatars') });
      process.seteuid?.(OTHER);
      try {
        expect(() => openExisting(settings)).not.toThrow();
      } finally {
        process.seteuid?.(0);
      }
      settings.storageLocalPath = join(folder, 'nothing');
      expect(() => openExisting(settings)).toThrow(UsageError);
    });
  }

  it('says what it cannot import, and why', async () => {
    const loop = join(folder, 'loop');
    await symlink(loop, loop);
    const { code, stderr } = await visage({ STORAGE_LOCAL_PATH: folder }, 'import', loop);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/loop can't be read; let this user read it: ELOOP/),
    ]);
  });
});
