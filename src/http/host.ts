import type { IncomingMessage } from 'node:http';
import { CodedError } from '../errors.js';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Whether a request says which host it is for: answers name it in URLs. HTTP/1.0 need not say it (RFC 9112, section 3.2).
 * @throws CodedError `invalid_host`
 */
export function assertHost(request: IncomingMessage): void {
  const { host } = request.headers;
  if (host === undefined) {
    if (request.httpVersion === '1.0') return;
    throw new CodedError('invalid_host', 'There is no Host header.');
  }
  if (!HOST.test(host)) throw new CodedError('invalid_host', 'The Host header is not the name of a host.');
  if (!hasOneHost(request)) throw new CodedError('invalid_host', 'There are two Host headers.');
}

/** Whether there is one Host header, and it may be the name of a host. */
export function namesHost(request: IncomingMessage): boolean {
  const { host } = request.headers;
  return host !== undefined && HOST.test(host) && hasOneHost(request);
}

/** Node keeps the first in `headers`. */
function hasOneHost({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts === 1;
}
