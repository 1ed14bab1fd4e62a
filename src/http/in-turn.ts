import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** With so many requests of one connection waiting, nothing more is read of it. What has arrived already, 64 KiB, waits as well. */
const MAX_WAITING = 32;

/** Requests that wait on all connections together; each takes some 2 KB of memory. */
const MAX_WAITING_IN_ALL = 10_000;

/**
 * Lets requests that a client sends on one connection without waiting for answers be handled one after the other: Node would begin
 * them all at once, and a delete could overtake the upload before it (RFC 9112, section 9.3.2). However many a client sends, few are
 * read before their turn. To be called once all that listens to the server's requests does.
 * @param cut ends a connection on which one more would have to wait, with too many waiting
 */
export function answerInTurn(server: Server, cut: (socket: Socket) => void): void {
  const listeners = (server.listeners('request') as Listener[]).map((listener) => listener.bind(server));
  const handle: Listener = (request, response) => {
    for (const listener of listeners) listener(request, response);
  };
  const lines = new Map<Socket, Line>();
  let waiting = 0;
  const lineOf = (socket: Socket): Line => {
    const known = lines.get(socket);
    if (known) return known;
    const line = new Line(socket);
    lines.set(socket, line);
    socket.once('close', () => {
      lines.delete(socket);
      waiting -= line.length;
    });
    return line;
  };
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    // A response gets its socket when the one before it has been sent.
    if (response.socket !== null) handle(request, response);
    else if (socket.destroyed) return;
    else if (waiting >= MAX_WAITING_IN_ALL) cut(socket);
    else {
      const line = lineOf(socket);
      line.join();
      waiting++;
      response.once('socket', () => {
        if (lines.get(socket) !== line) return;
        line.leave();
        waiting--;
        handle(request, response);
      });
    }
  });
}

/** Requests of a connection that wait for their turn. */
class Line {
  length = 0;
  private full = false;

  constructor(private readonly socket: Socket) {
    // Node goes on to read after each request that has arrived whole.
    socket.on('resume', () => {
      if (this.full) socket.pause();
    });
  }

  join(): void {
    if (++this.length < MAX_WAITING || this.full) return;
    this.full = true;
    this.socket.pause();
  }

  leave(): void {
    if (--this.length > 0 || !this.full) return;
    this.full = false;
    this.socket.resume();
  }
}
