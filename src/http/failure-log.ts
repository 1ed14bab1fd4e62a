import type { FastifyRequest } from 'fastify';
import { CodedError, type ErrorCode } from '../errors.js';
import { LogOnce } from '../tools/log-once.js';

/** How long failures for the same reason are only counted after the first, in ms. */
const WINDOW_MS = 10_000;
const MAX_REASONS = 100;

/**
 * Logs requests that failed. An outage or a burst fails thousands of them for one reason, so of those the log
 * has one in 10 seconds, and the number of the others.
 */
export class FailureLog {
  private readonly repetitions = new LogOnce(WINDOW_MS, MAX_REASONS);
  private readonly leftOut = new WeakSet<FastifyRequest>();

  /** @param code of the problem that the request is answered with */
  log(error: unknown, code: ErrorCode, request: FastifyRequest): void {
    const { log } = request;
    const isLogged = error instanceof CodedError && error.logged;
    const isFirst =
      !isLogged &&
      this.repetitions.isFirst(`${code}: ${reasonOf(error)}`, (leftOut) => {
        log.error({ code, leftOut }, 'more requests failed like this one');
      });
    if (!isFirst) this.leftOut.add(request);
    log[isFirst ? 'error' : 'debug']({ err: error, code }, 'the request failed');
  }

  /** Whether the request failed for the same reason as one just before, which the log names there. */
  isLeftOut(request: FastifyRequest): boolean {
    return this.leftOut.has(request);
  }

  /** Logs now how many were left out so far. */
  flush(): void {
    this.repetitions.flush();
  }
}

/**
 * The same text for errors with the same cause. An error without a code of ours is a defect, and each may be
 * a different one.
 */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const detail = typeof code === 'string' ? code : error.message;
  const name = error instanceof CodedError ? error.name : `${error.name} ${detail}`;
  return error.cause === undefined ? name : `${name} < ${reasonOf(error.cause)}`;
}
