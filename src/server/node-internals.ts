/**
 * Everything that Visage uses of Node beyond its documentation, each with what happens if a later Node has it
 * no more. Tried with Node 20.20.2, 22.23.5 and 24.22.3, by test/http/stalls.spec.ts, protocol.spec.ts and
 * request-body.spec.ts. These do not notice if `keepRest` or `replaceLastClose` do nothing: on a new version,
 * try those by hand.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How much of the current write the system has not taken yet, in bytes. Node itself reads this for the
 * timeout of a socket. Without the field it is 0: a client is then cut off unless it takes a whole write in
 * its time.
 */
export function unsentOfCurrentWrite(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}

/**
 * The answer that a connection is waiting for or sending, as Node's own handler of client errors sees it.
 * Without the field there never is one: a refusal could then be written into the middle of an answer.
 */
export function answerUnderWay(socket: Socket): ServerResponse | undefined {
  return (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined;
}

/**
 * Whether all answers before this one have been sent: only then does Node give it its socket.
 * Should Node give it at once, pipelined requests are no longer handled one after the other.
 */
export function isNext(response: ServerResponse): boolean {
  return response.socket !== null;
}

/**
 * Calls back when all answers before this one have been sent. Without the event, a pipelined request is never
 * handled.
 */
export function onceNext(response: ServerResponse, handle: () => void): void {
  response.once('socket', handle);
}

/**
 * Keeps Node from draining the rest of a request that nobody has begun to read, once the answer is sent.
 * Should it drain the rest nevertheless, it reads as much as the client sends.
 */
export function keepRest(request: IncomingMessage): void {
  request.read(0);
}

/**
 * Replaces what Node calls when it has sent the last answer on a connection, which reads all that the client
 * sends before it closes. Should Node call something else, that is what happens.
 */
export function replaceLastClose(socket: Socket, close: () => void): void {
  socket.destroySoon = close;
}

/**
 * Reads a connection in the place of Node's parser: nothing that still comes is a request.
 * Should the parser not let go, it could still take something for one.
 */
export function readInsteadOfParser(socket: Socket, read: (chunk: Buffer) => void): void {
  // The parser has stopped reading. It has to start again before it is cut off.
  socket.pause();
  socket.once('resume', () => {
    socket.removeAllListeners('data');
    socket.on('data', read);
  });
  socket.resume();
}
