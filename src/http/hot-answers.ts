import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { LRUCache } from 'lru-cache';
import { matchesNoneMatch } from './conditional.js';
import { namesHost } from './host.js';
import { requestId } from './request-id.js';

/** An answer that was given, and may be given again. */
export interface HotAnswer {
  /** Headers of a 304, and of a 200. */
  common: Readonly<Record<string, string>>;
  whole: Readonly<Record<string, string>>;
  etag: string;
  /** The headers of the request that decided. */
  vary: readonly string[];
  /** Gives the bytes, as long as they are the right answer. */
  again: () => Buffer | undefined;
  /** For the metrics. */
  route: string | undefined;
}

interface Prepared extends Pick<HotAnswer, 'etag' | 'again' | 'route'> {
  common: string[];
  whole: string[];
}

export interface HotRequest {
  method: string;
  route: string | undefined;
  status: number;
  ms: number;
}

/**
 * Answers again what the controllers have answered, before the framework sees the request: the same headers and bytes, as
 * long as they are in memory and the manifest that they follow from is fresh. Everything else goes on to the controllers.
 */
export class HotAnswers {
  private readonly answers: LRUCache<string, Prepared> | undefined;

  /** @param entries how many to remember; 0: none */
  constructor(entries: number) {
    this.answers = entries > 0 ? new LRUCache({ max: entries }) : undefined;
  }

  remember({ url = '', headers }: IncomingMessage, answer: HotAnswer): void {
    const { common, whole, etag, again, route, vary } = answer;
    if (!this.answers) return;
    const flat = (fields: Readonly<Record<string, string>>) => Object.entries({ ...fields, ...OPEN }).flat();
    const key = vary.length === 0 ? url : keyOf(url, headers);
    this.answers.set(key, { etag, again, route, common: flat(common), whole: flat(whole) });
  }

  /** Stands before what listens to the server's requests. @param answered is told of each answer */
  standBefore(server: Server, answered: (request: HotRequest) => void): void {
    if (!this.answers) return;
    const handlers = server.listeners('request') as ((a: IncomingMessage, b: ServerResponse) => void)[];
    const handler = handlers.at(-1);
    if (!handler) throw new Error('nothing listens to the server yet');
    server.removeListener('request', handler);
    server.on('request', (request, response) => {
      const started = performance.now();
      const hot = isPlainRead(request) ? this.find(request) : undefined;
      if (!hot) {
        handler(request, response);
        return;
      }
      const status = respond(request, response, hot.answer, hot.bytes);
      const { route } = hot.answer;
      answered({ method: request.method ?? '', route, status, ms: performance.now() - started });
    });
  }

  private find({ url = '', headers }: IncomingMessage): { answer: Prepared; bytes: Buffer } | undefined {
    return this.take(url) ?? this.take(keyOf(url, headers));
  }

  private take(key: string): { answer: Prepared; bytes: Buffer } | undefined {
    const answer = this.answers?.get(key);
    const bytes = answer?.again();
    return answer && bytes && { answer, bytes };
  }
}

/** All that is unusual is for the controllers. */
function isPlainRead(request: IncomingMessage): boolean {
  const { method, headers } = request;
  return (
    (method === 'GET' || method === 'HEAD') &&
    headers.range === undefined &&
    headers.expect === undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    namesHost(request)
  );
}

/** What anybody may read, pages of other origins may read too. */
export const OPEN = { 'Access-Control-Allow-Origin': '*' } as const;

function respond(request: IncomingMessage, response: ServerResponse, hot: Prepared, bytes: Buffer): number {
  const id = requestId(request);
  if (matchesNoneMatch(request.headers['if-none-match'], hot.etag)) {
    response.writeHead(304, [...hot.common, 'X-Request-Id', id]).end();
    return 304;
  }
  response.writeHead(200, [...hot.whole, 'X-Request-Id', id, 'Content-Length', String(bytes.length)]);
  response.end(request.method === 'HEAD' ? undefined : bytes);
  return 200;
}

function keyOf(url: string, headers: IncomingMessage['headers']): string {
  const { accept = '', 'sec-ch-prefers-reduced-motion': motion = '', 'save-data': data = '' } = headers;
  return `${url}\n${accept}\n${String(motion)}\n${String(data)}`;
}
