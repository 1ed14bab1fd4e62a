import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { keepRest, readInsteadOfParser, replaceLastClose } from './node-internals.js';

/**
 * How often we check whether the client still sends, in ms, and how many bytes since the last check say so.
 */
const CHECK_MS = 500;
const LEAST_BYTES = 1024;

/** How long a client may go on sending, in ms. */
const LINGER_MS = 30_000;

/**
 * Closes a connection after its last answer in a way that lets a client that is still sending read the
 * answer: closing with unread bytes would reset the connection, and the client might lose the answer (RFC
 * 9112, section 9.6). It stops sending, and reads and discards what still comes: for half a second, and then
 * for as long as the client keeps sending, at most 30 seconds.
 * @param mostBytes how much is read; a client that sends more meets the reset
 */
export function lingeringClose(socket: Socket, mostBytes: number): void {
  let bytes = 0;
  let checked = 0;
  socket.end();
  readInsteadOfParser(socket, (chunk) => {
    bytes += chunk.length;
    if (bytes > mostBytes) socket.pause();
  });
  const giveUp = performance.now() + LINGER_MS;
  const check = () => {
    const sends = bytes - checked >= LEAST_BYTES && bytes <= mostBytes;
    checked = bytes;
    if (sends && performance.now() < giveUp) return;
    clearInterval(checking);
    socket.destroy();
  };
  // Bytes that arrived while the process was busy are read before the check.
  const checking = setInterval(() => setImmediate(check), CHECK_MS).unref();
  socket.once('close', () => {
    clearInterval(checking);
  });
}

/**
 * Makes the answer to a request the last one on its connection, whether the rest of the body comes or not.
 * The answer has to say `Connection: close`.
 * @param mostBytes see {@link lingeringClose}
 */
export function closeAfterAnswer(request: IncomingMessage, mostBytes: number): void {
  request.unpipe();
  request.pause();
  keepRest(request);
  const { socket } = request;
  replaceLastClose(socket, () => {
    lingeringClose(socket, mostBytes);
  });
}
