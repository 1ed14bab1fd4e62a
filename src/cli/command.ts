import type { Logger } from 'pino';
import { CodedError } from '../errors.js';
import { ManifestUnreadable } from '../model/manifest.js';

/** How a command ends; `--help` explains each. */
export const EXIT = { well: 0, problems: 1, usage: 2, unavailable: 3 } as const;

/** Something that is not as it should be. */
export interface Finding {
  /** Stable: what programs should look at. */
  code: string;
  /** The key of an object, or the place in a file. */
  where: string;
  message: string;
  /** It can be mended without a loss, or was. */
  repairable?: true;
  repaired?: true;
}

/** What came out of a command: its findings, and its own facts and numbers. */
export interface Outcome {
  findings: readonly Finding[];
  /** There is more to do than findings tell. */
  unfinished?: true;
  facts: Record<string, unknown>;
}

/** What every command is given. */
export interface Task {
  /** Look only. */
  dryRun: boolean;
  /** How many avatars to work on at the same time. */
  concurrency: number;
  logger: Logger;
  /** Shows how far the work is, where somebody looks at a terminal. */
  progress: Progress;
}

export interface Progress {
  /** Whether anybody sees it: a total that costs work need not be found out otherwise. */
  readonly visible: boolean;
  start(title: string, total: number): void;
  step(): void;
  stop(): void;
}

/** A picture that is no longer wanted, or cannot be read where it is. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Whether the storage is of no use at the moment: the whole command ends, and can be run again later. */
export function isOutage(error: unknown): boolean {
  return (
    error instanceof CodedError && (error.code === 'storage_unavailable' || error.code === 'storage_full')
  );
}

/** The code of a finding for which nobody was prepared. */
export const UNEXPECTED = 'unexpected_error';

/** What went wrong in the work on one avatar or picture. @param where the key of an object, or the place in a file */
export function findingOf(error: unknown, where: string): Finding {
  if (error instanceof ManifestUnreadable) {
    const message = error.key === where ? error.reason : `${error.key}: ${error.reason}`;
    return { code: error.code, where, message };
  }
  if (error instanceof CodedError || error instanceof Refused) {
    return { code: error.code, where, message: error.message };
  }
  return { code: UNEXPECTED, where, message: String(error) };
}

/** The command line cannot be followed; the message is for whoever typed it. */
export class UsageError extends Error {}
