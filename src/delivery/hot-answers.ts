import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';

import { matchesNoneMatch } from '../http/conditional.js';
import { OPEN } from '../http/cors.js';
import { namesHost } from '../http/host.js';
import { requestId } from '../http/request-id.js';
import { Flights } from './flights.js';

/** What has to be known of a picture for its answer to be given again. */
export interface Again {
  /** Whether it is the right one still. */
  isRight: () => boolean;
  /** @returns undefined where they are not in memory any more */
  bytes: () => Buffer | undefined;
}

/** An answer that was given, and may be given again. */
export interface HotAnswer {
  /** Headers of a 304, and of a 200 apart from Content-Length. */
  common: Readonly<Record<string, string>>;
  whole: Readonly<Record<string, string>>;
  etag: string;
  /** The headers of the request that decided. */
  vary: readonly string[];
  again: Again;
}

interface Prepared extends Pick<HotAnswer, 'etag' | 'again'> {
  common: string[];
  /** Without Content-Length until the bytes were there once. */
  whole: string[];
  hasLength: boolean;
}

/** What one answer takes in memory beside its key, in bytes or so. */
const BYTES_OF_HEADERS = 2048;

/** Of the URL and the headers that decide. Whoever sends more wants to fill our memory. */
const MAX_KEY_CHARACTERS = 2048;

/** Where pictures are asked for: whoever asks for the same one as another waits for the answer. */
const PICTURE = /^\/(?:avatar\/|v1\/avatars\/(?:[^/?]+(?:\?|$)|[^/?]+\/[^/?]+\/))/;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Answers again what the controllers have answered, before the framework sees the request: the same headers and bytes, as
 * long as they are in memory and the manifest that they follow from is fresh. Of requests for one picture that come at the same
 * time, the controllers see the first. Everything else goes on to them.
 * It has the time of a few lines and not more: bare Node takes 10 µs for an answer.
 */
@Injectable()
export class HotAnswers implements OnModuleDestroy {
  /** What was answered here, by method and status. */
  readonly counts = { GET: { 200: 0, 304: 0 }, HEAD: { 200: 0, 304: 0 } };
  private readonly answers?: LRUCache<string, Prepared>;
  private readonly flights = new Flights();
  private listeners: Listener[] = [];
  private stopped = false;
  private misses = 0;

  constructor(settings: Settings) {
    const { logLevel, cacheMaxAgeMs } = settings;
    // If every read is to be logged, or asks the store, the framework has to see it.
    const seesAll = logLevel === 'debug' || logLevel === 'trace' || cacheMaxAgeMs === 0;
    const maxBytes = seesAll ? 0 : Math.floor(cacheSharesOf(settings).hotAnswers);
    if (maxBytes === 0) return;
    this.answers = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (_, key) => BYTES_OF_HEADERS + 2 * key.length,
    });
  }

  /** Of reads that were answered here, or may be the next time. */
  usage(): { hits: number; misses: number; entries: number; bytes: number } {
    const hits = Object.values(this.counts).reduce((sum, counts) => sum + counts[200] + counts[304], 0);
    const { size: entries = 0, calculatedSize: bytes = 0 } = this.answers ?? {};
    return { hits, misses: this.misses, entries, bytes };
  }

  remember({ url = '', headers }: IncomingMessage, answer: HotAnswer): void {
    const { common, whole, etag, again, vary } = answer;
    if (!this.answers || this.stopped) return;
    this.misses++;
    const key = vary.length === 0 ? url : keyOf(url, headers);
    if (key.length > MAX_KEY_CHARACTERS) return;
    this.answers.set(key, { etag, again, common: lines(common), whole: lines(whole), hasLength: false });
    // After this answer itself, whose client came first, and not once it has gone out, which a client can hold up.
    setImmediate(() => {
      this.flights.end(keyOf(url, headers));
    });
  }

  /** Stands before all that listens to the server's requests: it hears of those only that are not answered here. */
  standBefore(server: Server): void {
    if (!this.answers) return;
    this.listeners = (server.listeners('request') as Listener[]).map((listener) => listener.bind(server));
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (!isPlainRead(request)) this.pass(request, response);
      else if (!this.tryAnswer(request, response)) this.takeTurn(request, response);
    });
  }

  /** From now on nothing is answered here: a service that stops answers with `Connection: close`. */
  onModuleDestroy(): void {
    this.stopped = true;
    this.answers?.clear();
    this.flights.endAll();
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    for (const listener of this.listeners) listener(request, response);
  }

  private takeTurn(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers } = request;
    if (!this.stopped && PICTURE.test(url)) {
      const key = keyOf(url, headers);
      const follow = () => {
        if (!this.tryAnswer(request, response)) this.pass(request, response);
      };
      if (this.flights.follow(key, follow)) return;
      this.flights.lead(key);
      response.once('close', () => {
        this.flights.end(key);
      });
    }
    this.pass(request, response);
  }

  /** @returns whether it is answered */
  private tryAnswer(request: IncomingMessage, response: ServerResponse): boolean {
    const { url = '', headers } = request;
    const hot = this.right(url) ?? this.right(keyOf(url, headers));
    if (!hot) return false;
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    if (matchesNoneMatch(headers['if-none-match'], hot.etag)) {
      this.counts[method][304]++;
      response.writeHead(304, withId(hot.common, request)).end();
      return true;
    }
    const bytes = hot.again.bytes();
    if (!bytes) return false;
    if (!hot.hasLength) {
      hot.whole.push('content-length', String(bytes.length));
      hot.hasLength = true;
    }
    this.counts[method][200]++;
    response.writeHead(200, withId(hot.whole, request));
    response.end(method === 'HEAD' ? undefined : bytes);
    return true;
  }

  private right(key: string): Prepared | undefined {
    const answer = this.answers?.get(key);
    return answer?.again.isRight() ? answer : undefined;
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

/** Names in lower case, as the framework sends them. */
function lines(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries({ ...headers, ...OPEN }).flatMap(([name, value]) => [name.toLowerCase(), value]);
}

/** No log has a line of this request: an id is worth sending only to who has given one. */
function withId(headers: string[], request: IncomingMessage): string[] {
  if (request.headers['x-request-id'] === undefined) return headers;
  return [...headers, 'x-request-id', requestId(request)];
}

function keyOf(url: string, headers: IncomingMessage['headers']): string {
  const { accept = '', 'sec-ch-prefers-reduced-motion': motion = '', 'save-data': data = '' } = headers;
  return `${url}\n${accept}\n${String(motion)}\n${String(data)}`;
}
