import type { LoggerService } from '@nestjs/common';
import type { Logger as Pino } from 'pino';

/** What Nest tells of its own start, a line for each class. */
const CHATTER = new Set<unknown>(['InstanceLoader', 'NestFactory', 'RouterExplorer', 'RoutesResolver']);

/**
 * The hash of an e-mail address in the key of an object, which errors of a disk name, or in the path of a request: addresses
 * can be guessed by it.
 */
const HASH = /(\baliases\/|\/avatar\/)[0-9a-f]{32,64}\b/gi;

/** For pino: what never reaches the log, whoever writes it. */
export const LOG_HOOKS = { streamWrite: (line: string) => line.replace(HASH, '$1-') };

/** The path of a request: below `/v1/` ids stand as they are, elsewhere there is nothing in hex but such hashes. */
export function loggedPath(path: string): string {
  return path.startsWith('/v1/') ? path : path.replace(/[0-9a-f]{32,64}/gi, '-');
}

/** Nest's logger on the one stream of the service: lines of JSON by pino. */
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

  /** Nest appends the name of who logs; before it stand fields and a text, a text alone, or an error. */
  private write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', line: unknown[]): void {
    const [first, second] = line;
    const context = line.length > 1 ? line.at(-1) : undefined;
    if (first instanceof Error) this.pino[level]({ err: first, context }, first.message);
    else if (typeof first === 'object' && first !== null)
      this.pino[level]({ ...first, context }, second as string);
    else this.pino[level]({ context }, first as string);
  }
}
