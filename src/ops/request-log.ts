import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { type Trail, trailOf } from '../access/trail.js';
import { Settings } from '../config/settings.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { FailureLog } from '../http/failure-log.js';
import { RefusalLog } from '../http/refusal-log.js';
import { isSafe } from '../http/safe-methods.js';
import { problemCodeOf } from '../http/send-problem.js';
import { loggedPath } from './logging.js';

/** No route of ours has a longer path. */
const LOGGED_PATH_CHARACTERS = 300;

/**
 * Logs every change: who sent it, what it does to which avatar, and what came of it. Logs reads that failed,
 * unless the log has the same failure already; of what is refused without a key, one of a kind.
 * LOG_LEVEL=debug logs all requests.
 */
@Injectable()
export class RequestLog {
  /** Changes, which are logged before they are answered: a client that has gone gets no response. */
  private readonly logged = new WeakSet<FastifyRequest>();

  constructor(
    private readonly failures: FailureLog,
    private readonly refusals: RefusalLog,
    private readonly addresses: ClientAddresses,
    private readonly settings: Settings,
  ) {}

  /** @param logger tells which levels are logged */
  follow(fastify: FastifyInstance, logger: Pick<Logger, 'isLevelEnabled'>): void {
    const log = (request: FastifyRequest, reply: FastifyReply) => {
      const level = this.levelOf(request, reply);
      if (logger.isLevelEnabled(level)) this.log(level, request, reply);
    };
    if (this.settings.logAddresses) {
      // A client that has gone has no address any more.
      fastify.addHook('onRequest', (request, _reply, done) => {
        trailOf(request).address = this.addresses.of(request.raw);
        done();
      });
    }
    fastify.addHook('onSend', (request, reply, payload, done) => {
      if (!isSafe(request.method) && !this.logged.has(request)) {
        this.logged.add(request);
        log(request, reply);
      }
      done(null, payload);
    });
    fastify.addHook('onResponse', (request, reply, done) => {
      if (!this.logged.has(request)) log(request, reply);
      done();
    });
    fastify.addHook('onClose', (_instance, done) => {
      this.failures.flush();
      this.refusals.flush();
      done();
    });
  }

  private levelOf(request: FastifyRequest, { statusCode }: FastifyReply): 'debug' | 'info' {
    // The 503 of readiness is an answer, not a problem, and comes with every probe while the service stops.
    const failed =
      statusCode >= 500 && problemCodeOf(request) !== undefined && !this.failures.isLeftOut(request);
    return isSafe(request.method) && !failed ? 'debug' : 'info';
  }

  private log(level: 'debug' | 'info', request: FastifyRequest, reply: FastifyReply): void {
    const { method, url, log } = request;
    const [status, code, ms] = [reply.statusCode, problemCodeOf(request), Math.round(reply.elapsedTime)];
    const { parts = [], address, ...trail } = trailOf(request);
    const { by, action, id, version, ticket } = trail;
    const outcome = action && outcomeOf(status, trail);
    const path = loggedPath(url.split('?', 1)[0]?.slice(0, LOGGED_PATH_CHARACTERS) ?? '');
    const fields = { by, action, id, version, ticket, outcome, method, path, status, code, ms, address };
    if (level === 'info' && this.refusals.concerns(code) && !by) {
      this.refusals.log(fields, 'request', log);
      return;
    }
    log[level](fields, 'request');
    for (const part of parts) {
      log[level]({ by, action, ...part, outcome: outcomeOf(part.status, part) }, 'part of a request');
    }
  }
}

function outcomeOf(status: number, { outcome }: Pick<Trail, 'outcome'>): string {
  if (status >= 400) return status < 500 ? 'refused' : 'failed';
  return outcome ?? (status === 202 ? 'pending' : 'done');
}
