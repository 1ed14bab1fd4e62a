import type { IncomingMessage } from 'node:http';
import { CodedError } from '../errors.js';

const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?$/i;
const MAX_PORT = 65_535;

/** Whether this names a host as a Host header does: a name or address, with a port if needed. */
export function isHost(text: string): boolean {
  const [whole, port] = HOST.exec(text) ?? [];
  return whole !== undefined && Number(port ?? 0) <= MAX_PORT;
}

/**
 * Checks the Host header, because answers have it in their URLs. HTTP/1.0 requests may leave it out (RFC
 * 9112, section 3.2).
 * @throws CodedError `invalid_host`
 */
export function assertHost(request: IncomingMessage): void {
  const { host } = request.headers;
  if (host === undefined) {
    if (request.httpVersion === '1.0') return;
    throw new CodedError('invalid_host', 'The request has no Host header. HTTP/1.1 requires one.');
  }
  if (!isHost(host)) {
    throw new CodedError(
      'invalid_host',
      'The Host header is malformed. Send a name or address, with a port if needed.',
    );
  }
  if (!hasOneHost(request))
    throw new CodedError('invalid_host', 'The request has more than one Host header. Send one.');
}

/** Whether a request has exactly one Host header, and it is well formed. */
export function namesHost(request: IncomingMessage): boolean {
  const { host } = request.headers;
  return host !== undefined && isHost(host) && hasOneHost(request);
}

/** `headers` has the first one only. */
function hasOneHost({ rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts === 1;
}
