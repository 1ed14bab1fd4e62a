import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings, isLoggedInDetail } from '../config/settings.js';
import { matchesNoneMatch } from '../http/conditional.js';
import { OPEN } from '../http/cors.js';
import { namesHost } from '../http/host.js';
import { requestId } from '../http/request-id.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { AcceptClasses } from './accept-classes.js';
import { Flights } from './flights.js';
import { HotKeys } from './hot-keys.js';
import type { Repeatable } from './picture.js';
import { wantsDark, wantsLess } from './preferences.js';

/** An answer that was given and may be given again. */
export interface HotAnswer {
  /** Headers of a 304. */
  common: Readonly<Record<string, string>>;
  /** Headers of a 200, apart from Content-Length. */
  whole: Readonly<Record<string, string>>;
  etag: string;
  /** The request headers that decided which picture it is. */
  vary: readonly string[];
  repeat: Repeatable;
}

interface Prepared extends Pick<HotAnswer, 'etag' | 'repeat'> {
  common: string[];
  /** The last one is the value of Content-Length. */
  whole: string[];
  /**
   * The Content-Length, in bytes: others may take the place of the bytes in memory, such as a picture that
   * was made again.
   */
  length: number | undefined;
}

/** Approximate memory of one answer beside its key, in bytes. */
const BYTES_OF_HEADERS = 2048;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Repeats answers of the controllers before the framework sees the request: the same headers and bytes, as
 * long as they are in memory and the manifest that they follow from is fresh. If several requests for one
 * picture come at the same time, the controllers see only the first. All other requests go on to them. This
 * is the hot path, so it must stay short: bare Node takes 10 µs for an answer.
 */
@Injectable()
export class HotAnswers implements OnModuleDestroy {
  /** Answers given here, by method and status. */
  readonly counts = { GET: { 200: 0, 304: 0 }, HEAD: { 200: 0, 304: 0 } };
  private readonly answers?: LRUCache<string, Prepared>;
  private readonly flights = new Flights();
  private readonly acceptClasses = new AcceptClasses();
  private listeners: Listener[] = [];
  private stopped = false;
  private misses = 0;

  constructor(
    private readonly reads: AvatarRepository,
    private readonly keys: HotKeys,
    settings: Settings,
  ) {
    // If every read is logged or has to ask the store, the framework must see every request.
    const seesAll = isLoggedInDetail(settings) || settings.cacheMaxAgeMs === 0;
    const maxBytes = seesAll ? 0 : Math.floor(cacheSharesOf(settings).hotAnswers);
    if (maxBytes === 0) return;
    this.answers = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: (_, key) => BYTES_OF_HEADERS + 2 * key.length,
    });
  }

  /**
   * How well the memory is used. A miss is a read that the controllers answered and that may be answered here
   * next time.
   */
  usage(): CacheUsage {
    const hits = Object.values(this.counts).reduce((sum, counts) => sum + counts[200] + counts[304], 0);
    const { size: entries = 0, calculatedSize: bytes = 0 } = this.answers ?? {};
    return { hits, misses: this.misses, entries, bytes };
  }

  remember({ url = '', headers }: IncomingMessage, answer: HotAnswer): void {
    const { common, whole, etag, repeat: again, vary } = answer;
    if (!this.answers || this.stopped) return;
    this.misses++;
    const key = this.keys.keyOf(url);
    if (key === undefined) return;
    const withHeaders = this.withHeaders(key, headers);
    const withLength = [...lines(whole), 'content-length', ''];
    this.answers.set(vary.length === 0 ? key : withHeaders, {
      etag,
      repeat: again,
      common: lines(common),
      whole: withLength,
      length: undefined,
    });
    // This client came first, so its answer does. The others don't wait for its transfer, which it can hold
    // up.
    setImmediate(() => {
      this.flights.end(withHeaders);
    });
  }

  /**
   * Takes the place of the server's request listeners. They get only the requests that are not answered here.
   */
  standBefore(server: Server): void {
    if (!this.answers) return;
    this.listeners = (server.listeners('request') as Listener[]).map((listener) => listener.bind(server));
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      const key = isPlainRead(request) ? this.keys.keyOf(request.url ?? '') : undefined;
      if (key === undefined) this.pass(request, response);
      else if (!this.tryAnswer(key, request, response)) this.answerOrWait(key, request, response);
    });
  }

  /** Stops answering here: while the service stops, answers need `Connection: close`. */
  onModuleDestroy(): void {
    this.stopped = true;
    this.answers?.clear();
    this.flights.endAll();
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    for (const listener of this.listeners) listener(request, response);
  }

  /** Requests for the same picture at the same time share one answer. */
  private answerOrWait(key: string, request: IncomingMessage, response: ServerResponse): void {
    if (!this.stopped) {
      const flight = this.withHeaders(key, request.headers);
      const follow = () => {
        if (!this.tryAnswer(key, request, response)) this.pass(request, response);
      };
      if (this.flights.follow(flight, follow)) return;
      this.flights.lead(flight);
      response.once('close', () => {
        this.flights.end(flight);
      });
    }
    this.pass(request, response);
  }

  /** Answers from memory if possible. @returns whether it did */
  private tryAnswer(key: string, request: IncomingMessage, response: ServerResponse): boolean {
    const { headers } = request;
    const hot = this.valid(key) ?? this.valid(this.withHeaders(key, headers));
    if (!hot) return false;
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
    if (matchesNoneMatch(headers['if-none-match'], hot.etag)) {
      this.counts[method][304]++;
      response.writeHead(304, withId(hot.common, request)).end();
      return true;
    }
    const bytes = hot.repeat.memory.inMemory(hot.repeat.key);
    if (!bytes) return false;
    if (hot.length !== bytes.length) {
      hot.whole[hot.whole.length - 1] = String(bytes.length);
      hot.length = bytes.length;
    }
    this.counts[method][200]++;
    response.writeHead(200, withId(hot.whole, request));
    response.end(method === 'HEAD' ? undefined : bytes);
    return true;
  }

  /** The same for all requests that get the same answer, whatever else their headers say. */
  private withHeaders(key: string, headers: IncomingMessage['headers']): string {
    const hints = `${wantsLess(headers)}\n${wantsDark(headers)}`;
    return `${key}\n${this.acceptClasses.classOf(headers.accept)}\n${hints}`;
  }

  private valid(key: string): Prepared | undefined {
    const answer = this.answers?.get(key);
    if (!answer) return undefined;
    const { tokens, memory, better } = answer.repeat;
    if (better !== undefined && memory.isAtHand(better)) return undefined;
    if (!tokens.every((token) => this.reads.isStillRight(token))) return undefined;
    for (const token of tokens) this.reads.countHit(token);
    return answer;
  }
}

/** Whether this is a usual read. The controllers handle all others. */
function isPlainRead(request: IncomingMessage): boolean {
  const { method, headers } = request;
  return (
    (method === 'GET' || method === 'HEAD') &&
    headers.range === undefined &&
    headers['if-match'] === undefined &&
    headers.expect === undefined &&
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    namesHost(request)
  );
}

/** Headers as Node takes them; names in lower case, as the framework sends them. */
function lines(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries({ ...headers, ...OPEN }).flatMap(([name, value]) => [name.toLowerCase(), value]);
}

/** Sends the request's id only if the client gave one: no log line has it. */
function withId(headers: string[], request: IncomingMessage): string[] {
  if (request.headers['x-request-id'] === undefined) return headers;
  return [...headers, 'x-request-id', requestId(request)];
}
