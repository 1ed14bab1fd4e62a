import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** How often it is looked whether the client still sends, in ms, and how many bytes since the last look say so. */
const LOOK_MS = 500;
const LEAST_BYTES = 1024;

/** How long a client may go on sending, in ms. */
const LINGER_MS = 30_000;

/**
 * Closes a connection after its last answer so that a client that is still sending can read the answer: to close while bytes are
 * unread would reset the connection, and a client that meets a reset may never look at what it received (RFC 9112, section 9.6).
 * We say that we send no more, and throw away what still comes: for half a second, and for as long as the client is busy sending, but
 * no more than so many bytes, and not for longer than 30 seconds.
 * @param mostBytes how much of it is read
 */
export function closeWhenRead(socket: Socket, mostBytes: number): void {
  let bytes = 0;
  let lookedAt = 0;
  socket.end();
  const read = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > mostBytes) socket.pause();
  };
  // The parser, which has stopped to read, has to begin again before it is cut off: of what still comes nothing is a request.
  socket.pause();
  socket.once('resume', () => {
    socket.removeAllListeners('data');
    socket.on('data', read);
  });
  socket.resume();
  const giveUp = performance.now() + LINGER_MS;
  const look = () => {
    const sends = bytes - lookedAt >= LEAST_BYTES && bytes <= mostBytes;
    lookedAt = bytes;
    if (sends && performance.now() < giveUp) return;
    clearInterval(looking);
    socket.destroy();
  };
  // What came while we were busy is read before the look.
  const looking = setInterval(() => setImmediate(look), LOOK_MS).unref();
  socket.once('close', () => {
    clearInterval(looking);
  });
}

/**
 * Makes the answer to a request the last one on its connection, whether the rest of the body comes or not. The answer has to say
 * `Connection: close`.
 * @param mostBytes see {@link closeWhenRead}
 */
export function closeAfterAnswer(request: IncomingMessage, mostBytes: number): void {
  request.unpipe();
  request.pause();
  // Of a request that nobody began to read Node would read all there is, to throw it away.
  request.read(0);
  const { socket } = request;
  // Node's way to close after the last answer would first read all that the client sends.
  socket.destroySoon = () => {
    closeWhenRead(socket, mostBytes);
  };
}
