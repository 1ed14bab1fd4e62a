import type { Logger } from 'pino';
import { CodedError } from '../errors.js';
import { ManifestUnreadable } from '../model/manifest-format.js';

/** How a command ends; `--help` explains each. */
export const EXIT = { well: 0, problems: 1, usage: 2, unavailable: 3 } as const;

/** A problem that a command reports. */
export interface Finding {
  /** Stays the same in all releases: programs may rely on it. */
  code: string;
  /** The key of an object, or the place in a file. */
  where: string;
  message: string;
  /** `verify --repair` can repair it without a loss. */
  repairable?: true;
  repaired?: true;
}

/** The result of a command: its findings, and facts and numbers of its own. */
export interface Outcome {
  findings: readonly Finding[];
  /** What people read instead of the findings and facts, after what the task has said. */
  lines?: readonly string[];
  /** How the command ends, if its findings do not say it. */
  exit?: (typeof EXIT)[keyof typeof EXIT];
  /** Which work is left though there is no finding, and what to do. */
  unfinished?: string;
  facts: Record<string, unknown>;
}

/** What every command gets. */
export interface Task {
  /** Change nothing. */
  dryRun: boolean;
  /** How many avatars to work on at the same time. */
  concurrency: number;
  logger: Logger;
  /** Shows on a terminal how far the work is. */
  progress: Progress;
  /**
   * Prints a line of the report as soon as it is known. With `--json` it prints nothing: the document comes
   * at the end.
   */
  say: (line: string) => void;
}

export interface Progress {
  /** Whether anybody sees it. If not, a total that costs work need not be counted. */
  readonly visible: boolean;
  start(title: string, total: number): void;
  step(): void;
  /** Writes to the terminal while the bar is away. */
  aside(write: () => void): void;
  stop(): void;
}

/** A picture that is not wanted any more, or cannot be read. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Whether the storage cannot be used at the moment. The whole command then ends, and can be run again later.
 */
export function isOutage(error: unknown): error is CodedError {
  return (
    error instanceof CodedError && (error.code === 'storage_unavailable' || error.code === 'storage_full')
  );
}

/** The `code` of findings about errors that nobody foresaw. */
export const UNEXPECTED = 'unexpected_error';

/**
 * The finding for an error in the work on one avatar or picture.
 * @param where the key of an object, or the place in a file
 */
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

/** The command line cannot be followed. The message is for the person who typed it. */
export class UsageError extends Error {}

/**
 * Why something failed. The message of a coded error is for clients of the service, its cause for operators.
 */
export function causeOf(error: unknown): string {
  if (error instanceof CodedError && error.cause instanceof Error) return error.cause.message;
  return error instanceof CodedError ? error.message : String(error);
}
