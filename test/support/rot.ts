import { execFileSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';

/** Changes the last byte but `before` of a file as a disk does that loses bits: its time of change stays. */
export async function rot(path: string, before = 0): Promise<void> {
  const { mtimeNs } = await stat(path, { bigint: true });
  const bytes = await readFile(path);
  const at = bytes.length - 1 - before;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
  // Node's own function takes seconds as a double, which are not exact.
  const time = mtimeNs.toString();
  execFileSync('touch', ['-d', `@${time.slice(0, -9)}.${time.slice(-9)}`, path]);
}
