import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { STATUS_CODES } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../errors.js';
import { type LastAnswer, lastAnswerOf } from '../http/problem.js';
import type { RefusalLog } from '../http/refusal-log.js';
import { closeAfterAnswer, lingeringClose } from './linger.js';
import { answerUnderWay } from './node-internals.js';

const REQUEST_TIMEOUT = 'ERR_HTTP_REQUEST_TIMEOUT';
const REQUEST_CHANNEL = 'http.server.request.start';

type Refusal = readonly [status: number, code: ErrorCode, detail: string];

/** What Node's parser refuses before there is a request, by the code of its error. */
const REFUSALS: Record<string, Refusal> = {
  HPE_HEADER_OVERFLOW: [431, 'bad_request', 'The headers are too long. Send fewer or shorter ones.'],
  HPE_INVALID_EOF_STATE: [
    400,
    'truncated_body',
    'The connection ended before the end of the request. Send it again.',
  ],
  [REQUEST_TIMEOUT]: [408, 'bad_request', 'The request did not arrive in time. Send it again.'],
};
const MALFORMED: Refusal = [
  400,
  'bad_request',
  'This is not a valid HTTP/1.1 request. Check the client, or the proxy in between.',
];
const NO_TUNNEL: Refusal = [
  405,
  'method_not_allowed',
  'This is no proxy. Send GET, HEAD, POST, PUT or DELETE.',
];
const NO_EXPECTATION: Refusal = [
  417,
  'bad_request',
  'The only expectation that is met is 100-continue. Leave out the Expect header.',
];

/**
 * Answers a request that is malformed, or too slow to arrive, and closes the connection.
 * @param mostBytes see `lingeringClose`
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  log: RefusalLog,
  mostBytes: number,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (error.code !== REQUEST_TIMEOUT) refuse(error, socket, log, mostBytes);
  else {
    void hasArrivedAfterAll(socket).then((hasArrived) => {
      if (!hasArrived && socket.writable) refuse(error, socket, log, mostBytes);
    });
  }
}

/**
 * Node looks at its clock before it reads what arrived while this process was busy.
 * @returns whether a request, or the beginning of the first one, had arrived unread: Node then counts from
 * its first byte again
 */
function hasArrivedAfterAll(socket: Socket): Promise<boolean> {
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

function refuse(error: NodeJS.ErrnoException, socket: Socket, log: RefusalLog, mostBytes: number): void {
  const why = REFUSALS[error.code ?? ''] ?? MALFORMED;
  const answer = refusal(log, { reason: error.code }, 'no request could be read', why);
  sendLast(socket, answer, mostBytes);
}

/** Logs a refusal. @returns its answer */
function refusal(
  log: RefusalLog,
  fields: Record<string, unknown>,
  message: string,
  [status, code, detail]: Refusal,
): LastAnswer {
  const requestId = randomUUID();
  log.log({ reqId: requestId, ...fields, status, code }, message);
  return lastAnswerOf(status, code, detail, requestId);
}

/** Writes the last answer on a connection, and closes it. */
function sendLast(socket: Socket, { status, headers, body }: LastAnswer, mostBytes: number): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const answer = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
  if (answerUnderWay(socket)) {
    // The request that is being worked on for this client ends with the connection.
    socket.end(answer, () => socket.destroy());
  } else {
    socket.write(answer);
    lingeringClose(socket, mostBytes);
  }
}

/**
 * Answers CONNECT, which asks for a tunnel to another server, after the requests before it, and closes the
 * connection. Without this, Node closes it without an answer.
 * @param mostBytes see `lingeringClose`
 */
export function refuseTunnel(socket: Socket, log: RefusalLog, mostBytes: number): void {
  // Node has given the connection away, and listens to its errors no more: without a listener, a reset would
  // end the process.
  socket.on('error', () => {
    socket.destroy();
  });
  const answer = refusal(log, { method: 'CONNECT' }, 'a tunnel was refused', NO_TUNNEL);
  // Nothing is allowed at the address of another server: RFC 9110, section 10.2.1.
  answer.headers['allow'] = '';
  const send = () => {
    const before = answerUnderWay(socket);
    if (before) before.once('close', () => setImmediate(send));
    else if (socket.writable) sendLast(socket, answer, mostBytes);
  };
  send();
}

/**
 * Answers a request with an expectation other than 100-continue (RFC 9110, section 10.1.1) and closes the
 * connection: its body may come or not.
 * @param mostBytes see `lingeringClose`
 */
export function refuseExpectation(
  request: IncomingMessage,
  response: ServerResponse,
  log: RefusalLog,
  mostBytes: number,
): void {
  const { status, headers, body } = refusal(
    log,
    {},
    'the expectation of a request was refused',
    NO_EXPECTATION,
  );
  closeAfterAnswer(request, mostBytes);
  response.writeHead(status, headers).end(body);
}
