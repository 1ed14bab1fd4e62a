import type { IncomingMessage } from 'node:http';
import { CodedError } from '../errors.js';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Whether a request says which host it is for: answers name it in URLs. HTTP/1.0 need not say it (RFC 9112, section 3.2; Node
 * refuses HTTP/1.1 without).
 * @throws CodedError `invalid_host`
 */
export function assertHost({ headers: { host }, rawHeaders }: IncomingMessage): void {
  if (host === undefined) return;
  if (!HOST.test(host)) throw new CodedError('invalid_host', 'The Host header is not the name of a host.');
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++;
  if (hosts > 1) throw new CodedError('invalid_host', 'There are two Host headers.');
}
