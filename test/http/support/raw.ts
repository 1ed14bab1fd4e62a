import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANG_MS } from '../../support/patience.js';
import type { Answer } from './client.js';

/** A connection whose every byte the test decides on. */
export class RawConnection {
  private received = Buffer.alloc(0);
  private ended = false;
  private closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    // A reset is one of the ways in which a server closes.
    socket.on('error', () => undefined);
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
  }

  static async open(base: string): Promise<RawConnection> {
    const { hostname, port } = new URL(base);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawConnection(socket);
  }

  send(bytes: Buffer | string): this {
    if (!this.closed) this.socket.write(bytes);
    return this;
  }

  /** From now on nothing is read: the server sends for as long as the system takes it. */
  stall(): this {
    this.socket.pause();
    return this;
  }

  /** Sends, and waits for the system to have taken it all. */
  async handOver(bytes: Buffer | string): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve));
  }

  /** All that came back so far. */
  text(): string {
    return this.received.toString('latin1');
  }

  /** The next answer, taken off what was received; interim ones (1xx) are answers too. */
  async answer({ withBody = true, withinMs = HANG_MS } = {}): Promise<Answer> {
    const answer = await this.until(() => this.takeAnswer(withBody), withinMs);
    if (!answer) throw new Error(`no answer within ${withinMs} ms, but: ${this.text().slice(0, 300)}`);
    return answer;
  }

  /** Whether the server closes the connection: both ways, not only the one that it sends on. */
  async closes(withinMs = HANG_MS): Promise<boolean> {
    const isClosed = () => {
      // Only who sends learns that nobody listens any more.
      if (this.ended) this.send('x');
      return this.closed || undefined;
    };
    return (await this.until(isClosed, withinMs)) ?? false;
  }

  /** Sends a piece over and over as fast as the server takes it. @returns bytes taken until it closed, or these are too many */
  async flood(piece: Buffer, tooMany: number): Promise<number> {
    const before = this.socket.bytesWritten;
    const taken = () => this.socket.bytesWritten - before;
    const giveUp = performance.now() + HANG_MS;
    while (!this.closed && taken() < tooMany && performance.now() < giveUp) {
      if (this.socket.writableNeedDrain) await sleep(2);
      else {
        this.send(piece);
        await new Promise(setImmediate);
      }
    }
    return taken();
  }

  close(): void {
    this.socket.destroy();
  }

  private async until<T>(look: () => T | undefined, withinMs: number): Promise<T | undefined> {
    const giveUp = performance.now() + withinMs;
    for (;;) {
      const seen = look();
      if (seen !== undefined || performance.now() > giveUp) return seen;
      await sleep(5);
    }
  }

  private takeAnswer(withBody: boolean): Answer | undefined {
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [first = '', ...lines] = this.received.toString('latin1', 0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = withBody ? Number(headers['content-length'] ?? 0) : 0;
    const begin = end + 4;
    if (this.received.length < begin + length) return undefined;
    const body = this.received.subarray(begin, begin + length);
    this.received = this.received.subarray(begin + length);
    return { status: Number(first.split(' ')[1]), headers, body };
  }
}

/** The head of a request, with what HTTP/1.1 wants in any case. */
export function head(method: string, path: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: visage.test\r\n${lines.join('')}\r\n`;
}

/** A bare upload. */
export function put(path: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(head('PUT', path, { 'Content-Length': body.length })), body]);
}

/** One chunk as `Transfer-Encoding: chunked` has it. */
export function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
