import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A piece of memory that answers are sent from, such as a picture that many clients are reading. */
interface Held {
  bytes: number;
  /** The connections of these answers. */
  by: Map<ServerResponse, Socket>;
}

/**
 * Limits the memory of answers that clients have not taken yet. A picture stays in memory until the last of
 * its readers has it, even if the cache has let it go; it counts once, however many read it. If the sum gets
 * too large, the clients that have been reading for longest are cut off. A client that reads what it asks for
 * is never among them for long, and nobody is refused because of others.
 */
export class UnsentAnswers {
  /** The memory that was requested last comes last. */
  private readonly held = new Map<object, Held>();
  private total = 0;

  /**
   * @param maxBytes the limit; one answer alone may take more
   * @param cut ends a connection
   */
  constructor(
    private readonly maxBytes: number,
    private readonly cut: (socket: Socket) => void,
  ) {}

  /** The memory in use, in bytes. */
  get bytes(): number {
    return this.total;
  }

  /**
   * The class of answers that a server has to use, as its option `ServerResponse`. An answer that is taken at
   * once costs a comparison.
   */
  responseClass(): typeof ServerResponse {
    const hold = this.add.bind(this);
    return class<R extends IncomingMessage> extends ServerResponse<R> {
      override end(chunk?: unknown, encoding?: unknown, done?: unknown): this {
        const { socket } = this;
        super.end(chunk, encoding as BufferEncoding, done as () => void);
        if (socket !== null && socket.writableLength > 0) hold(this, socket, chunk);
        return this;
      }
    };
  }

  private add(response: ServerResponse, socket: Socket, chunk: unknown): void {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    // A string is kept once for each answer.
    const [memory, bytes] =
      typeof chunk === 'string'
        ? [response, Buffer.byteLength(chunk)]
        : [chunk.buffer, chunk.buffer.byteLength];
    const held = this.held.get(memory) ?? { bytes, by: new Map() };
    if (held.by.size === 0) this.total += bytes;
    held.by.set(response, socket);
    this.held.delete(memory);
    this.held.set(memory, held);
    response.once('close', () => {
      held.by.delete(response);
      if (held.by.size === 0) this.release(memory, held);
    });
    this.makeRoom();
  }

  private makeRoom(): void {
    for (const [memory, held] of this.held) {
      if (this.total <= this.maxBytes || this.held.size === 1) return;
      this.release(memory, held);
      for (const socket of held.by.values()) this.cut(socket);
    }
  }

  private release(memory: object, held: Held): void {
    // Only once: a new reader of memory that was released has an entry of its own.
    if (this.held.get(memory) !== held) return;
    this.held.delete(memory);
    this.total -= held.bytes;
  }
}
