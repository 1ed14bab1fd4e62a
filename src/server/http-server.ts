import { type RequestListener, type Server, createServer } from 'node:http';
import type { Socket } from 'node:net';
import { mostUnread } from '../config/body-bytes.js';
import type { Settings } from '../config/settings.js';
import type { RefusalLog } from '../http/refusal-log.js';
import { refuseExpectation, refuseTunnel } from './client-error.js';
import type { Connections } from './connections.js';

/** More than load balancers keep idle connections, mostly 60 s: they must not meet one that closes. */
const KEEP_ALIVE_MS = 72_000;

/**
 * Creates an HTTP server within the limits of the service, without listening yet. What it answers without a
 * request, the caller adds: `answerClientError`.
 * @param handle what answers the requests
 */
export function createHttpServer(
  settings: Settings,
  connections: Connections,
  refusals: RefusalLog,
  handle: RequestListener,
): Server {
  const mostBytes = mostUnread(settings);
  const server = createServer(
    {
      ServerResponse: connections.answers.responseClass(),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The upload receiver has deadlines of its own for bodies, and a body that nobody reads ends with the
      // answer.
      requestTimeout: 0,
      headersTimeout: settings.requestHeadersTimeoutMs,
      // assertHost refuses such a request with a problem that says what is wrong.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(settings.requestHeadersTimeoutMs, 5000),
    },
    handle,
  );
  // No limit on the number: Node would silently drop the headers above it, such as an If-Match. Their total
  // size is limited.
  server.maxHeadersCount = 0;
  server.on('checkExpectation', (request, response) => {
    refuseExpectation(request, response, refusals, mostBytes);
  });
  server.on('connect', (_request, socket) => {
    refuseTunnel(socket as Socket, refusals, mostBytes);
  });
  connections.watch(server);
  return server;
}
