import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { ErrorCode } from '../errors.js';
import { problem } from './problem.js';

/** What Node's parser refuses before there is a request: status, code, and what to tell. */
const REFUSALS: Record<string, readonly [number, ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'bad_request', 'The headers are too long.'],
  HPE_INVALID_EOF_STATE: [400, 'truncated_body', 'The connection ended before the end of the request.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'bad_request', 'The request did not arrive in time.'],
};

/** Answers what is no HTTP, or came too slowly to be a request, and ends the connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS[error.code ?? ''] ?? ([400, 'bad_request', 'This is no HTTP request.'] as const);
  const [status, code, detail] = refusal;
  const requestId = randomUUID();
  logger.info({ reqId: requestId, reason: error.code, status }, 'no request could be read');
  const body = JSON.stringify(problem(status, code, detail, requestId));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** Answers a request that expects what nobody offers, and ends the connection: its body may come or not. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse, logger: Logger): void {
  const requestId = randomUUID();
  logger.info({ reqId: requestId, status: 417 }, 'the expectation of a request was refused');
  const detail = 'The only expectation that is met is 100-continue.';
  const body = JSON.stringify(problem(417, 'bad_request', detail, requestId));
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  request.pause();
  response.writeHead(417, headers).end(body);
}
