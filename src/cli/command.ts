import type { Logger } from 'pino';

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

/** The command line cannot be followed; the message is for whoever typed it. */
export class UsageError extends Error {}
