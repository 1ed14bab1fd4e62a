import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Memory that answers lie in, such as a picture that many clients are being sent. */
interface Held {
  bytes: number;
  /** The connections of these answers. */
  by: Map<ServerResponse, Socket>;
}

/**
 * The memory of answers that clients have not taken yet. A picture lies in memory until the last of its readers has it, also where
 * the cache has let it go; how many read the same one makes no difference. Where that gets too much, those are cut off who have been
 * at it for longest: whoever reads what he asks for is never among them for long, and nobody is refused because of others.
 */
export class UntakenAnswers {
  /** The memory that was asked for last comes last. */
  private readonly held = new Map<object, Held>();
  private total = 0;

  /**
   * @param maxBytes of memory, unless one answer alone takes more
   * @param cut ends a connection
   */
  constructor(
    private readonly maxBytes: number,
    private readonly cut: (socket: Socket) => void,
  ) {}

  get bytes(): number {
    return this.total;
  }

  /** What a server has to make its answers of. What is taken at once costs a comparison. */
  responseClass(): typeof ServerResponse {
    const hold = this.hold.bind(this);
    return class<R extends IncomingMessage> extends ServerResponse<R> {
      override end(chunk?: unknown, encoding?: unknown, done?: unknown): this {
        const { socket } = this;
        super.end(chunk, encoding as BufferEncoding, done as () => void);
        if (socket !== null && socket.writableLength > 0) hold(this, socket, chunk);
        return this;
      }
    };
  }

  private hold(response: ServerResponse, socket: Socket, chunk: unknown): void {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    // A text is kept for each answer anew.
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
    // Once only: a new reader of what was cut off has an entry of its own.
    if (this.held.get(memory) !== held) return;
    this.held.delete(memory);
    this.total -= held.bytes;
  }
}
