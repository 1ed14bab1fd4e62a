import type { Settings } from '../../config/settings.js';
import type { ObjectStore } from '../../storage/object-store.js';

/** `skipped`: it could not be checked, or there was nothing to check it with. */
export type Result = 'ok' | 'warning' | 'failure' | 'skipped';

/** What a check found, for one line of the report. */
export interface Verdict {
  /** What was checked, if that is not the name of the check. */
  check?: string;
  result: Result;
  /** What was found, and measured. */
  message: string;
  /** What to do about it. */
  advice?: string;
  /** The numbers behind the message. */
  measured?: object;
}

/** One line of the report. Names of checks stay the same in all releases: programs may rely on them. */
export type Named = Verdict & { check: string };

/** What checks work with. */
export interface Subject {
  settings: Settings;
  /** Where the objects are, or will be. */
  location: string;
  /** The storage is not there yet, and the stores are those of a temporary folder in this one. */
  standIn?: string | undefined;
  /** Two stores of the same objects, as two replicas have them. */
  stores: readonly [ObjectStore, ObjectStore];
  /** How many reads the stores have thrown away so far. */
  discardedReads: () => number;
  /** How long races go on. */
  seconds: number;
}

export interface Check {
  name: string;
  /** Checks that have to pass before, by name. */
  needs: readonly string[];
  run: (subject: Subject) => Promise<readonly Verdict[]>;
}

export function ok(message: string, measured?: object): Verdict {
  return { result: 'ok', message, ...(measured && { measured }) };
}

export function warning(message: string, advice: string, measured?: object): Verdict {
  return { result: 'warning', message, advice, ...(measured && { measured }) };
}

export function failure(message: string, advice?: string, measured?: object): Verdict {
  return { result: 'failure', message, ...(advice && { advice }), ...(measured && { measured }) };
}

export function skipped(message: string): Verdict {
  return { result: 'skipped', message };
}

/** A number with its noun, for nouns that take an s. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
