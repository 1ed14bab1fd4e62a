import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { ErrorCode } from '../errors.js';
import { closeAfterAnswer, closeWhenRead } from './linger.js';
import { problem } from './problem.js';

const REQUEST_TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT';
const REQUEST_CHANNEL = 'http.server.request.start';

/** What Node's parser refuses before there is a request: status, code, and what to tell. */
const REFUSALS: Record<string, readonly [number, ErrorCode, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'bad_request', 'The headers are too long.'],
  HPE_INVALID_EOF_STATE: [400, 'truncated_body', 'The connection ended before the end of the request.'],
  [REQUEST_TIMEOUT]: [408, 'bad_request', 'The request did not arrive in time.'],
};

/**
 * Answers what is no HTTP, or came too slowly to be a request, and ends the connection.
 * @param mostBytes see `closeWhenRead`
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  logger: Logger,
  mostBytes: number,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (error.code !== REQUEST_TIMEOUT) refuse(error, socket, logger, mostBytes);
  else {
    void comesAfterAll(socket).then((comes) => {
      if (!comes && socket.writable) refuse(error, socket, logger, mostBytes);
    });
  }
}

/**
 * Node looks at its clock before it reads what came while this process was busy.
 * @returns whether a request, or the beginning of the first one, was there to be read: Node counts from its first byte again
 */
function comesAfterAll(socket: Socket): Promise<boolean> {
  const before = socket.bytesRead;
  let begun = false;
  const onRequest = (message: unknown) => {
    begun ||= (message as { socket: Socket }).socket === socket;
  };
  subscribe(REQUEST_CHANNEL, onRequest);
  return new Promise((resolve) => {
    setImmediate(() => {
      unsubscribe(REQUEST_CHANNEL, onRequest);
      resolve(begun || (before === 0 && socket.bytesRead > 0));
    });
  });
}

function refuse(error: NodeJS.ErrnoException, socket: Socket, logger: Logger, mostBytes: number): void {
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
  const answer = `${head.join('\r\n')}\r\n\r\n${body}`;
  if (isAnswering(socket)) {
    // What is being worked on for this client ends with the connection.
    socket.end(answer, () => socket.destroy());
  } else {
    socket.write(answer);
    closeWhenRead(socket, mostBytes);
  }
}

/** As Node's own handler of such errors sees it. */
function isAnswering(socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  return Boolean(socket._httpMessage);
}

/**
 * Answers a request that expects what nobody offers, and ends the connection: its body may come or not.
 * @param mostBytes see `closeWhenRead`
 */
export function refuseExpectation(
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
  mostBytes: number,
): void {
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
  closeAfterAnswer(request, mostBytes);
  response.writeHead(417, headers).end(body);
}
