import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';

/** How long a client has to read the answer before the connection is reset, in ms. */
const LINGER_MS = 500;

/**
 * Makes the answer the last one on its connection without reading the rest of the request's body, however long it is. The
 * connection is half-closed after the answer and destroyed soon after: at once would reset it before the client has read
 * the answer (RFC 9112, section 9.6).
 */
export function refuseBody(request: IncomingMessage, reply: FastifyReply): void {
  reply.header('Connection', 'close');
  request.unpipe();
  request.pause();
  const { socket } = request;
  // Node's way to close after the last answer would first read all that the client sends.
  socket.destroySoon = () => {
    socket.end();
    socket.pause();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
}
