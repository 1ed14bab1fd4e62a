import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { HANG_MS } from '../../support/patience.js';
import type { Answer } from './client.js';

/**
 * More bytes than a service reads of a body that nobody wants, and than two sockets of one machine hold between them: the maxima of
 * tcp_wmem and tcp_rmem, of which the latter is 32 MiB on recent kernels.
 */
export const SOCKET_BUFFERS = 64 * 1024 * 1024;

/** A connection that sends exactly the bytes that a test gives it. */
export class RawConnection {
  private received = Buffer.alloc(0);
  private ended = false;
  private closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    // A server may also close by a reset.
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

  /** Stops reading. The server can send until the buffers of the system are full. */
  stall(): this {
    this.socket.pause();
    return this;
  }

  /** Sends, and waits until the system has taken everything. */
  async handOver(bytes: Buffer | string): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve));
  }

  /** Closes the connection as a client does that has crashed: by a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Everything that was received so far. */
  text(): string {
    return this.received.toString('latin1');
  }

  /** Takes the next answer off the received bytes; interim ones (1xx) count, too. */
  async answer({ withBody = true, withinMs = HANG_MS } = {}): Promise<Answer> {
    const answer = await this.until(() => this.takeAnswer(withBody), withinMs);
    if (!answer) throw new Error(`no answer within ${withinMs} ms, but: ${this.text().slice(0, 300)}`);
    return answer;
  }

  /** Whether the server closes the connection in both directions. */
  async closes(withinMs = HANG_MS): Promise<boolean> {
    const isClosed = () => {
      // Only sending shows that nobody listens any more.
      if (this.ended) this.send('x');
      return this.closed || undefined;
    };
    return (await this.until(isClosed, withinMs)) ?? false;
  }

  /** Sends a piece over and over as fast as the server takes it. @returns bytes taken until it closed, or until there were too many */
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

/** The head of a request, with the Host that HTTP/1.1 requires. */
export function head(method: string, path: string, headers: Record<string, string | number> = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: visage.test\r\n${lines.join('')}\r\n`;
}

/** An upload with the picture as its body. */
export function put(path: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(head('PUT', path, { 'Content-Length': body.length })), body]);
}

/** One chunk of a body with `Transfer-Encoding: chunked`. */
export function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
