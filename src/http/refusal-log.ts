import type { Logger } from 'pino';
import type { ErrorCode } from '../errors.js';
import { LogOnce } from '../tools/log-once.js';

/** The logger of a request is Fastify's. */
type Lines = Pick<Logger, 'info' | 'debug'>;

type Fields = { code: string | undefined } & Record<string, unknown>;

/** How long refusals with the same code are only counted after the first, in ms. */
const WINDOW_MS = 10_000;
/** More than there are codes of such refusals. */
const MAX_KINDS = 20;

/** The codes of requests that are refused before anybody has looked at their key, or because of it. */
const WITHOUT_KEY = new Set<string>([
  'unauthorized',
  'ticket_expired',
  'token_expired',
  'issuer_unavailable',
  'foreign_origin',
  'route_not_found',
  'method_not_allowed',
  'bad_request',
  'invalid_host',
  'truncated_body',
] satisfies ErrorCode[]);

/**
 * Logs requests that are refused without a key. Anybody can send thousands of them, so of those with the same
 * code the log has one in 10 seconds, and the number of the others.
 */
export class RefusalLog {
  private readonly repetitions = new LogOnce(WINDOW_MS, MAX_KINDS);

  constructor(private readonly logger: Lines) {}

  /** Whether a problem with this code needs no key. */
  concerns(code: string | undefined): boolean {
    return code !== undefined && WITHOUT_KEY.has(code);
  }

  /** @param logger of the request, if there is one */
  log(fields: Fields, message: string, logger: Lines = this.logger): void {
    const { code } = fields;
    const isFirst = this.repetitions.isFirst(`${message} ${code}`, (leftOut) => {
      this.logger.info({ code, leftOut }, 'more requests were refused like this one');
    });
    logger[isFirst ? 'info' : 'debug'](fields, message);
  }

  /** Logs now how many were left out so far. */
  flush(): void {
    this.repetitions.flush();
  }
}
