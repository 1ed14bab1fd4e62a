import { basename, dirname } from 'node:path';
import type { Call } from '../support/strace.js';

/** The answers of a service, and where the order of its system calls broke their promise. */
export interface Audit {
  /** In order: `201`, with the entries created, replaced and removed since the previous answer. */
  answers: { status: number; effects: string[] }[];
  violations: string[];
}

interface Change {
  /** The folder whose entry changed. */
  folder: string;
  what: string;
  began: number;
  ended: number;
}

const SUCCESS = /"HTTP\/1\.1 (2\d\d)/;

/**
 * Holds the system calls of a service against the rules of durability, fsync(2) and rename(2):
 * - no object is opened for writing where it lies: it gets its name by link or rename;
 * - a file gets its name only after an fsync that began when its last byte was written;
 * - before the first byte of a success goes out, each folder of which an entry was made, replaced or removed has been
 *   fsynced after that, also the one in which the root itself was made.
 * Entries with a leading dot hold nothing that is promised.
 * @param root the folder of the objects
 */
export function auditCalls(calls: Call[], root: string): Audit {
  const audit: Audit = { answers: [], violations: [] };
  const synced = (path: string, since: number, before: number) =>
    calls.some(
      ({ name, arguments: text, result, began, ended }) =>
        (name === 'fsync' || name === 'fdatasync') &&
        result === '0' &&
        pathOfDescriptor(text) === path &&
        began > since &&
        ended < before,
    );
  const written = (path: string, before: number) =>
    Math.max(
      -1,
      ...calls
        .filter((call) => writes(call) && pathOfDescriptor(call.arguments) === path && call.began < before)
        .map(({ ended }) => ended),
    );
  const promised = (path: string) =>
    (path.startsWith(`${root}/`) || `${root}/`.startsWith(`${path}/`)) &&
    !path.slice(root.length).includes('/.');

  let since: Change[] = [];
  let open: Change[] = [];
  const removed: Call[] = [];
  for (const call of [...calls].sort((a, b) => a.began - b.began)) {
    const { name, result, began, ended } = call;
    const [path = '', target = ''] = quoted(call);
    const touched = writes(call)
      ? pathOfDescriptor(call.arguments)
      : opensForWriting(call)
        ? path
        : undefined;
    if (touched?.startsWith(`${root}/`) && promised(touched)) {
      audit.violations.push(`${touched} is written where it lies`);
    }
    if (succeeded(result) && (name.startsWith('link') || name.startsWith('rename')) && promised(target)) {
      if (!synced(path, written(path, began), began))
        audit.violations.push(`${target} is named before its bytes are fsynced`);
    }
    const named = entryOf(call);
    if (named !== undefined && succeeded(result) && promised(named)) {
      const change = {
        folder: dirname(named),
        what: `${name} ${named.slice(root.length + 1) || basename(named)}`,
        began,
        ended,
      };
      since.push(change);
      open.push(change);
      if (name === 'rmdir') removed.push(call);
    }
    const status = name.startsWith('write') ? SUCCESS.exec(call.arguments)?.[1] : undefined;
    if (status === undefined) continue;
    for (const { folder, what, began: changing, ended: changed } of open) {
      // Nothing of a folder that is gone has to last. It was empty then, so what emptied it came before, even if that call began later.
      const isGone = removed.some(
        (removal) => quoted(removal)[0] === folder && removal.ended > changing && removal.ended < began,
      );
      if (!isGone && !synced(folder, changed, began))
        audit.violations.push(`${status} goes out before the fsync of ${folder} after ${what}`);
    }
    audit.answers.push({ status: Number(status), effects: since.map(({ what }) => what) });
    [since, open] = [[], []];
  }
  return audit;
}

/** The path whose entry a call creates, replaces or removes. */
function entryOf(call: Call): string | undefined {
  const [path, target] = quoted(call);
  if (/^(link|rename)/.test(call.name)) return target;
  return /^(mkdir|rmdir|unlink)/.test(call.name) ? path : undefined;
}

function writes({ name, result }: Call): boolean {
  return /^(p?writev?|pwrite64|ftruncate)$/.test(name) && result !== '?';
}

function opensForWriting({ name, arguments: text }: Call): boolean {
  return name === 'openat' && /O_(WRONLY|RDWR)/.test(text);
}

function succeeded(result: string): boolean {
  return /^\d/.test(result);
}

function quoted({ arguments: text }: Call): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = '']) => path);
}

function pathOfDescriptor(text: string): string | undefined {
  return /^\d+<([^>]*)>/.exec(text)?.[1];
}
