import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isNext, onceNext } from './node-internals.js';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * If so many requests of a connection wait, no more is read from it. Up to 64 KiB that have already arrived
 * wait as well.
 */
const MAX_WAITING = 32;

/** How many requests may wait on all connections together. Each takes about 2 KB of memory. */
const MAX_WAITING_IN_ALL = 10_000;

/**
 * Handles pipelined requests, which a client sends on one connection without waiting for answers, one after
 * the other (RFC 9112, section 9.3.2). Node would begin them all at once, and a delete could overtake the
 * upload before it. However many a client sends, only a few are read ahead. Call it after all other listeners
 * for the server's requests were added.
 * @param cut ends a connection; called if too many requests are waiting
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
    if (isNext(response)) handle(request, response);
    else if (socket.destroyed) return;
    else if (waiting >= MAX_WAITING_IN_ALL) cut(socket);
    else {
      const line = lineOf(socket);
      line.join();
      waiting++;
      onceNext(response, () => {
        if (lines.get(socket) !== line) return;
        line.leave();
        waiting--;
        handle(request, response);
      });
    }
  });
}

/** The requests of a connection that wait for their turn. */
class Line {
  length = 0;
  private full = false;

  constructor(private readonly socket: Socket) {
    // Node resumes reading after each request that has arrived in full.
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
