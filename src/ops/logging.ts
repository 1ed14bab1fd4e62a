import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger as Pino, destination, stdSerializers } from 'pino';
import { isAway } from '../storage/object-store.js';

/** Nest's loggers that write a line for each class at the start. */
const CHATTER = new Set<unknown>(['InstanceLoader', 'NestFactory', 'RouterExplorer', 'RoutesResolver']);

/**
 * Hashes of e-mail addresses, which reveal addresses to anybody who guesses them. They occur in keys of
 * objects, which disk errors quote, and in paths of requests.
 */
const HASH = /(\baliases\/|\/avatar\/)(?:[0-9a-f]{8}-)?[0-9a-f]{32,64}\b/gi;

/** For pino: keeps hashes of e-mail addresses out of every log line. */
export const LOG_HOOKS = { streamWrite: (line: string) => line.replace(HASH, '$1-') };

/**
 * Opens standard output for the service's log. Lines are written by another thread, since a reader that hangs
 * must not stop the service.
 */
export function openLog(): DestinationStream {
  // No line is that short, so none waits for another. With 0, the default, flush() does not wait for a line
  // that is being written.
  return destination({ dest: 1, minLength: 1, sync: false });
}

/** For pino: an error with the messages of its causes as one sentence. */
export function serializeError(error: Error): Record<string, unknown> {
  const serialized = stdSerializers.err(error);
  return { ...serialized, message: serialized.message.replaceAll('.: ', ': ') };
}

/** For pino: the same without the stack. */
export function serializeWithoutStack(error: Error): Record<string, unknown> {
  return { ...serializeError(error), stack: undefined };
}

/**
 * For pino: the same without the stack of an outage, of which the message says it all: the stack only repeats
 * it from inside the SDK, in 2 kB for each line.
 */
export function serializeErrorBriefly(error: Error): Record<string, unknown> {
  return (isAway(error) ? serializeWithoutStack : serializeError)(error);
}

/** A segment of a path that may be an e-mail address. */
const ADDRESS = /[^/]*(?:@|%40)[^/]*/g;

/**
 * The path of a request for the log, without e-mail addresses and their hashes. Paths below `/v1/` stay as
 * they are, since an id may look like either.
 */
export function loggedPath(path: string): string {
  if (path.startsWith('/v1/')) return path;
  if (path.startsWith('/avatar/')) return '/avatar/-';
  return path.replace(ADDRESS, '-').replace(/[0-9a-f]{32,64}/gi, '-');
}

/** Sends Nest's log to pino, so that the service writes one stream of JSON lines. */
export class NestLogger implements LoggerService {
  constructor(private readonly pino: Pino) {}

  log(...line: unknown[]): void {
    this.write(CHATTER.has(line.at(-1)) ? 'debug' : 'info', line);
  }

  error(...line: unknown[]): void {
    this.write('error', line);
  }

  warn(...line: unknown[]): void {
    this.write('warn', line);
  }

  debug(...line: unknown[]): void {
    this.write('debug', line);
  }

  verbose(...line: unknown[]): void {
    this.write('trace', line);
  }

  fatal(...line: unknown[]): void {
    this.write('fatal', line);
  }

  /** Resolves when every line so far is written. A log that cannot be written any more is not waited for. */
  written(): Promise<void> {
    return new Promise((done) => {
      this.pino.flush(() => {
        done();
      });
    });
  }

  /** Nest appends the name of the logger. Before it come fields and a text, a text alone, or an error. */
  private write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', line: unknown[]): void {
    const [first, second] = line;
    const context = line.length > 1 ? line.at(-1) : undefined;
    if (first instanceof Error) this.pino[level]({ err: first, context }, first.message);
    else if (typeof first === 'object' && first !== null)
      this.pino[level]({ ...first, context }, second as string);
    else this.pino[level]({ context }, first as string);
  }
}
