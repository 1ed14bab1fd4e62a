import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileLocks } from '../../src/storage/local/file-locks.js';

it('lets a writer wait for its lock no longer than the timeout, however many are before it', async () => {
  const locks = new FileLocks(await mkdtemp(join(tmpdir(), 'visage-locks-')), 50);
  const begun: string[] = [];
  let letGo!: () => void;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const first = locks.named('a', async () => {
    begun.push('first');
    await held;
  });
  const others = ['second', 'third', 'fourth'].map((name) =>
    locks.named('a', () => Promise.resolve(begun.push(name))),
  );
  await Promise.all(others.map((other) => expect(other).rejects.toThrow('held by another writer')));
  letGo();
  await first;
  await locks.named('a', () => Promise.resolve(begun.push('fifth')));
  expect(begun).toEqual(['first', 'fifth']);
});
