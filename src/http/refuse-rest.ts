import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a client has to read the answer before the connection is reset, in ms. */
const LINGER_MS = 500;

/** Whether more of the body is to come. A request without a body is not complete either while its headers are dealt with. */
function isReceiving({ complete, headers }: IncomingMessage): boolean {
  const announced = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return announced && !complete;
}

/**
 * Where more of the request's body is to come, makes the answer the last one on its connection without reading it, however long it
 * is: it may never come, and Node would answer that with a 408 of its own. The connection is half-closed after the answer and
 * destroyed soon after: at once would reset it before the client has read the answer (RFC 9112, section 9.6).
 */
export function refuseRest({ raw: request }: FastifyRequest, reply: FastifyReply): void {
  if (!isReceiving(request)) return;
  reply.header('Connection', 'close');
  request.unpipe();
  request.pause();
  // Of a request that nobody began to read Node would read all there is, to throw it away.
  request.read(0);
  const { socket } = request;
  // Node's way to close after the last answer would first read all that the client sends.
  socket.destroySoon = () => {
    socket.end();
    socket.pause();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
}
