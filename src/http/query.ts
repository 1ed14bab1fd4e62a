import { CodedError } from '../errors.js';

/**
 * Whether every escape in a URL is well formed, and together they are UTF-8 (RFC 3986, section 2.1 and 2.5).
 */
export function isWellEscaped(url: string): boolean {
  if (!url.includes('%')) return true;
  try {
    decodeURIComponent(url);
    return true;
  } catch {
    return false;
  }
}

/**
 * Refuses a query that the parser would not decode but take as it is.
 * @param url the path and query of a request
 * @throws CodedError `bad_request`
 */
export function assertQuery(url: string): void {
  if (isWellEscaped(url)) return;
  throw new CodedError('bad_request', 'The query is malformed. Percent-encode its values as UTF-8.');
}
