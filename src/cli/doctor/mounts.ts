import { readFile, realpath } from 'node:fs/promises';

/** A file system and where it is mounted. */
export interface Mount {
  at: string;
  /** `ext4`, `tmpfs`, `overlay`, ... */
  type: string;
  /** Usually a device. */
  source: string;
}

/**
 * The mount that a folder is on.
 * @param path of a folder that exists
 * @returns undefined on systems that have no /proc/self/mountinfo, such as macOS
 */
export async function mountOf(path: string): Promise<Mount | undefined> {
  let table: string;
  try {
    table = await readFile('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const target = await realpath(path);
  const mounts = table.split('\n').flatMap((line) => parse(line) ?? []);
  const above = mounts.filter(({ at }) => at === '/' || target === at || target.startsWith(`${at}/`));
  // Of two mounts on one folder, the later one hides the other.
  return above.reduce<Mount | undefined>(
    (best, mount) => (best && best.at.length > mount.at.length ? best : mount),
    undefined,
  );
}

/** Format: proc_pid_mountinfo(5). Fields up to a lone hyphen vary in number. */
function parse(line: string): Mount | undefined {
  const [before, after] = line.split(' - ', 2);
  const at = before?.split(' ')[4];
  const [type, source] = after?.split(' ') ?? [];
  if (at === undefined || type === undefined || source === undefined) return undefined;
  return { at: unescape(at), type, source: unescape(source) };
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
