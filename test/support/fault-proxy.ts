import { once } from 'node:events';
import {
  type IncomingMessage,
  type ServerResponse,
  Agent,
  createServer,
  request,
  STATUS_CODES,
} from 'node:http';
import { type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { listenSomewhere } from './ports.js';

/** What may happen to a request on its way to the S3 server and back. */
export type Fault =
  /** This connection is reset, and nothing listens any more until {@link FaultProxy.resume}. */
  | { type: 'refused' }
  /** The connection is reset after `afterBytes` of the request's body. The server never sees the request. */
  | { type: 'reset-request'; afterBytes: number }
  /** The server carries out the request, and the connection is reset after `afterBytes` of its reply; 0: no reply at all. */
  | { type: 'reset-reply'; afterBytes: number }
  /** No reply, ever, and the connection stays open. The server sees the request only with `committed`. */
  | { type: 'black-hole'; committed?: true }
  /** The reply comes byte by byte, from its start or from the start of its body. */
  | { type: 'trickle'; from: 'head' | 'body'; everyMs: number }
  /**
   * An error replaces the server's reply. With `truncated` its XML is cut off. The server sees the request only with
   * `committed`.
   */
  | { type: 'error'; status: number; code: string; truncated?: true; committed?: true }
  /** Only the first half of the reply's body, with a Content-Length that matches: the XML is cut off. */
  | { type: 'truncated' }
  /** Only the first half of the reply's body, with the Content-Length of all of it, then a clean end of the connection. */
  | { type: 'short-body' }
  /** The reply's body with another last byte. */
  | { type: 'other-byte' }
  /** The server carries out the request, and its reply comes so many ms later. */
  | { type: 'slow'; delayMs: () => number }
  /** The request waits until the test decides; see {@link FaultProxy.hold}. */
  | { type: 'held'; arrived: (held: Held) => void };

/** A request that has arrived completely, and waits for the test to decide. */
export interface Held {
  readonly seen: Seen;
  /** Passes it to the server, and the reply to the client. */
  pass(): void;
  /** Resets the connection. The server never sees the request. */
  drop(): void;
  /** Lets the server carry it out, then resets the connection. Resolves when the server has done it. */
  commitAndDrop(): Promise<void>;
  /** Lets the server carry it out, keeps the reply back and the connection open. Resolves when the server has done it. */
  commit(): Promise<void>;
  /** Lets the server carry it out, and keeps the reply back. Resolves when the server has done it. @returns sends the reply */
  commitAndWait(): Promise<() => void>;
}

/** The requests that a rule applies to. A field that is left out matches all. */
export interface Match {
  operation?: Operation;
  /** The object's key or the prefix of a listing, whole or by pattern. */
  key?: string | RegExp;
}

export interface Rule extends Match {
  fault: Fault;
  /** How many matching requests pass first; by default none. */
  skip?: number;
  /** How many matching requests are spoilt after that; by default all. */
  times?: number;
  /** After the first spoilt request, every request is spoilt, whether it matches or not. */
  thenAll?: true;
}

export type Operation = (typeof OPERATIONS)[keyof typeof OPERATIONS];

/** A request as the proxy saw it. */
export interface Seen {
  /** The S3 API's name for it. */
  operation: Operation;
  /** The object's key, or the prefix of a listing; empty for a request about the bucket. */
  key: string;
  headers: IncomingMessage['headers'];
  fault: Fault['type'] | undefined;
}

const OPERATIONS = {
  'PUT bucket': 'CreateBucket',
  'GET bucket': 'ListObjectsV2',
  'PUT object': 'PutObject',
  'GET object': 'GetObject',
  'HEAD object': 'HeadObject',
  'DELETE object': 'DeleteObject',
  'POST bucket': 'DeleteObjects',
} as const;

interface Reply {
  status: number;
  /** Names and values in turn, without hop-by-hop headers. */
  headers: string[];
  body: Buffer;
}

/**
 * Stands in front of a real S3 server (path style only) and spoils chosen requests. All others pass unchanged, with the Host
 * that the client signed. Rules can be changed while requests are in progress.
 */
export class FaultProxy {
  /** The requests that have arrived so far. */
  readonly seen: Seen[] = [];
  private rules: { rule: Rule; fitting: number }[] = [];
  private readonly agent = new Agent({ keepAlive: false });
  private readonly sockets = new Set<Socket>();
  private readonly holding = new Set<Socket>();
  // No timeouts: only a rule closes a connection.
  private readonly server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
  private port = 0;

  private constructor(private readonly endpoint: URL) {
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      // A client that disconnects is not an error of the proxy.
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        this.sockets.delete(socket);
        this.holding.delete(socket);
      });
    });
    this.server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      // If one side breaks off in the middle, the other one's connection is closed too.
      this.handle(incoming, response).catch(() => incoming.socket.destroy());
    });
  }

  /** @param endpoint where the real server listens */
  static async start(endpoint: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(endpoint));
    proxy.port = await listenSomewhere(proxy.server);
    return proxy;
  }

  /** The endpoint to give to clients; it stays the same. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The number of connections that still wait for a reply that never comes completely. */
  get held(): number {
    return this.holding.size;
  }

  /** Adds a rule. If several match a request, the oldest one that is not used up decides. */
  rule(rule: Rule): void {
    this.rules.push({ rule, fitting: 0 });
  }

  /**
   * Holds the next request that matches, or a later one.
   * @param skip how many matching requests pass first
   * @returns the request, when it has arrived
   */
  hold(match: Match, { skip = 0 } = {}): Promise<Held> {
    return new Promise((arrived) => {
      this.rule({ ...match, skip, times: 1, fault: { type: 'held', arrived } });
    });
  }

  /** Removes all rules, and forgets the requests seen so far. */
  clear(): void {
    this.rules = [];
    this.seen.length = 0;
  }

  /** The number of matching requests that have arrived, including spoilt ones. */
  count(match: Match = {}): number {
    return this.seen.filter((seen) => fits(match, seen)).length;
  }

  /** Takes the bucket away: resets every connection and refuses new ones. Also ends the proxy after a test. */
  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
    await closed;
  }

  /** Brings the bucket back under the same URL. */
  async resume(): Promise<void> {
    if (this.server.listening) return;
    const listening = once(this.server, 'listening');
    this.server.listen(this.port, '127.0.0.1');
    await listening;
  }

  private async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, method } = incoming;
    const { fault, seen } = this.register(incoming);
    switch (fault?.type) {
      case 'held':
        await this.handOver(fault.arrived, seen, incoming, response);
        return;
      case 'refused':
        await this.stop();
        return;
      case 'reset-request':
        resetAfter(incoming, fault.afterBytes);
        return;
      case 'black-hole':
        this.keep(socket);
        if (fault.committed) await this.forward(incoming, await buffer(incoming));
        else incoming.resume();
        return;
      case 'error':
        if (fault.committed) await this.forward(incoming, await buffer(incoming));
        else await buffer(incoming);
        send(response, errorReply(fault), method);
        return;
    }
    const reply = await this.forward(incoming, await buffer(incoming));
    const { head, body } = raw(reply, method);
    switch (fault?.type) {
      case 'slow':
        await sleep(fault.delayMs());
        send(response, reply, method);
        return;
      case undefined:
        send(response, reply, method);
        return;
      case 'truncated':
        send(response, { ...reply, body: half(body) }, method);
        return;
      case 'other-byte':
        send(response, { ...reply, body: withOtherByte(body) }, method);
        return;
      case 'short-body':
        socket.end(Buffer.concat([head, half(body)]));
        return;
      case 'reset-reply':
        socket.write(Buffer.concat([head, body]).subarray(0, fault.afterBytes), () =>
          socket.resetAndDestroy(),
        );
        return;
      case 'trickle':
        this.keep(socket);
        if (fault.from === 'body') socket.write(head);
        await trickle(socket, fault.from === 'body' ? body : Buffer.concat([head, body]), fault.everyMs);
    }
  }

  private async handOver(
    arrived: (held: Held) => void,
    seen: Seen,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const body = await buffer(incoming);
    const { socket, method } = incoming;
    this.keep(socket);
    const commit = async () => {
      await this.forward(incoming, body);
    };
    arrived({
      seen,
      pass: () => {
        this.holding.delete(socket);
        this.forward(incoming, body).then(
          (reply) => {
            send(response, reply, method);
          },
          () => socket.destroy(),
        );
      },
      drop: () => {
        socket.resetAndDestroy();
      },
      commit,
      commitAndDrop: async () => {
        await commit();
        socket.resetAndDestroy();
      },
      commitAndWait: async () => {
        const reply = await this.forward(incoming, body);
        return () => {
          this.holding.delete(socket);
          send(response, reply, method);
        };
      },
    });
  }

  private keep(socket: Socket): void {
    if (!socket.destroyed) this.holding.add(socket);
  }

  /** Records a request, and decides what happens to it. */
  private register(incoming: IncomingMessage): { seen: Seen; fault: Fault | undefined } {
    const { pathname, searchParams } = new URL(incoming.url ?? '', this.url);
    const object = decodeURIComponent(pathname.split('/').slice(2).join('/'));
    const kind = `${incoming.method ?? ''} ${object === '' ? 'bucket' : 'object'}`;
    if (!isKnown(kind)) throw new Error(`the proxy does not know ${kind}`);
    const key = object || (searchParams.get('prefix') ?? '');
    const seen: Seen = { operation: OPERATIONS[kind], key, headers: incoming.headers, fault: undefined };
    this.seen.push(seen);
    for (const entry of this.rules) {
      const { rule } = entry;
      const caught = rule.thenAll === true && entry.fitting > (rule.skip ?? 0);
      if (!caught && !fits(rule, seen)) continue;
      const skip = rule.skip ?? 0;
      if (entry.fitting >= skip + (rule.times ?? Infinity)) continue;
      entry.fitting++;
      if (entry.fitting <= skip) continue;
      seen.fault = rule.fault.type;
      return { seen, fault: rule.fault };
    }
    return { seen, fault: undefined };
  }

  private async forward({ method, url, rawHeaders }: IncomingMessage, body: Buffer): Promise<Reply> {
    const outgoing = request({
      agent: this.agent,
      hostname: this.endpoint.hostname,
      port: this.endpoint.port,
      method: method ?? 'GET',
      path: url ?? '/',
      headers: withoutHopByHop(rawHeaders),
      setHost: false,
    });
    // `once` handles errors until there is an answer; after that, its reader does.
    outgoing.on('error', () => undefined);
    outgoing.end(body);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const headers = withoutHopByHop(answer.rawHeaders);
    return { status: answer.statusCode ?? 500, headers, body: await buffer(answer) };
  }
}

function fits({ operation, key }: Match, seen: Seen): boolean {
  if (operation !== undefined && operation !== seen.operation) return false;
  return key === undefined || (typeof key === 'string' ? key === seen.key : key.test(seen.key));
}

function isKnown(kind: string): kind is keyof typeof OPERATIONS {
  return Object.hasOwn(OPERATIONS, kind);
}

function withoutHopByHop(rawHeaders: string[]): string[] {
  const dropped = ['connection', 'keep-alive', 'transfer-encoding', 'expect'];
  return pairs(rawHeaders)
    .filter(([name]) => !dropped.includes(name.toLowerCase()))
    .flat();
}

function pairs(rawHeaders: string[]): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, i) => [
    rawHeaders[2 * i] ?? '',
    rawHeaders[2 * i + 1] ?? '',
  ]);
}

/** Sets the Content-Length of the body. A HEAD keeps the one of the body that it leaves out. */
function headersOf({ status, headers, body }: Reply, method: string | undefined): string[] {
  if (method === 'HEAD' || status === 204 || status === 304) return headers;
  const others = pairs(headers).filter(([name]) => name.toLowerCase() !== 'content-length');
  return [...others.flat(), 'Content-Length', String(body.length)];
}

function send(response: ServerResponse, reply: Reply, method: string | undefined): void {
  response.sendDate = false;
  response.writeHead(reply.status, headersOf(reply, method));
  response.end(method === 'HEAD' ? undefined : reply.body);
}

/** The bytes of a reply. */
function raw(reply: Reply, method: string | undefined): { head: Buffer; body: Buffer } {
  const lines = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}`,
    ...pairs(headersOf(reply, method)).map(([name, value]) => `${name}: ${value}`),
  ];
  return { head: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body: reply.body };
}

function half(body: Buffer): Buffer {
  return body.subarray(0, Math.floor(body.length / 2));
}

function withOtherByte(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  changed.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
  return changed;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
function errorReply({ status, code, truncated }: Fault & { type: 'error' }): Reply {
  const body = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>By the fault proxy.</Message></Error>`,
  );
  const headers = ['Content-Type', 'application/xml', 'Content-Length', String(body.length)];
  return { status, headers, body: truncated ? half(body) : body };
}

function resetAfter(incoming: IncomingMessage, bytes: number): void {
  let missing = bytes;
  const reset = () => incoming.socket.resetAndDestroy();
  if (missing <= 0) reset();
  incoming.on('data', (chunk: Buffer) => {
    missing -= chunk.length;
    if (missing <= 0) reset();
  });
  incoming.on('end', reset);
}

async function trickle(socket: Socket, bytes: Buffer, everyMs: number): Promise<void> {
  for (const byte of bytes) {
    if (socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await sleep(everyMs, undefined, { ref: false });
  }
}
