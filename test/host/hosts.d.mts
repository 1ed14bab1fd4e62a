import type { ChildProcess } from 'node:child_process';

export interface Host {
  readonly process: ChildProcess;
  /** What the current service or command has written so far, on standard output and standard error. */
  readonly output: string;
  readonly errors: string;
  readonly hasEnded: boolean;
  readonly closed: Promise<unknown>;
  heard: (chunk: string) => void;
  begin(request: object): void;
  ask(request: object): void;
  done(): Promise<number | null>;
}

export interface Hosts {
  take(): Host;
  give(host: Host): void;
}
