import type { IncomingHttpHeaders } from 'node:http';
import { CodedError } from '../errors.js';

const ETAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*$/;

/**
 * Whether a reader already has the current representation, by its If-None-Match (RFC 9110, section 13.1.2:
 * weak comparison).
 * @param etag the current entity tag, with its quotes
 */
export function matchesNoneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header === etag || header.trim() === '*' || tagsOf(header).includes(etag.slice(1, -1));
}

/**
 * Whether the current representation is one that a reader asks for by its If-Match (RFC 9110, section 13.1.1:
 * strong comparison). A malformed header asks for none.
 * @param etag the current entity tag, with its quotes
 */
export function meetsMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined || header.trim() === '*') return true;
  const tags = ETAGS.test(header) ? header.matchAll(/(W\/)?("[^"]*")/g) : [];
  return [...tags].some(([, weak, tag]) => weak === undefined && tag === etag);
}

/**
 * Whether a reader's conditions are about another representation than the current one, such as a copy that it
 * has.
 * @param etag the current entity tag, with its quotes; undefined if there is none
 */
export function knowsAnother(headers: IncomingHttpHeaders, etag: string | undefined): boolean {
  const { 'if-match': match, 'if-none-match': noneMatch, 'if-range': range } = headers;
  if (etag === undefined) return [match, noneMatch, range].some((header) => header !== undefined);
  return (
    (noneMatch !== undefined && !matchesNoneMatch(noneMatch, etag)) ||
    !meetsMatch(match, etag) ||
    (range !== undefined && range !== etag)
  );
}

/**
 * The precondition of a write (RFC 9110, section 13.1): If-Match with entity tags or
 * `*`, or If-None-Match with `*` only. The entity tag of any rendition counts as its version, a weak one as
 * none.
 * @throws CodedError `invalid_precondition` if the headers are anything else
 */
export function preconditionOf(headers: IncomingHttpHeaders): readonly string[] | '*' | 'none' | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*' && match === undefined) return 'none';
    throw new CodedError(
      'invalid_precondition',
      'On a write, If-None-Match may only be *, without If-Match: write if there is nothing yet.',
      {
        parameter: 'If-None-Match',
      },
    );
  }
  if (match === undefined) return undefined;
  if (match.trim() === '*') return '*';
  if (!ETAGS.test(match)) {
    throw new CodedError(
      'invalid_precondition',
      'If-Match is malformed. Send versions in double quotes, or *.',
      {
        parameter: 'If-Match',
      },
    );
  }
  return [...match.matchAll(/(W\/)?"([^"/]*)[^"]*"/g)]
    .filter(([, weak]) => !weak)
    .map(([, , version]) => version ?? '');
}

/**
 * Refuses conditions on an erasure, which removes something whatever is current.
 * @throws CodedError `invalid_precondition`
 */
export function assertUnconditional(headers: IncomingHttpHeaders): void {
  if (preconditionOf(headers) === undefined) return;
  throw new CodedError(
    'invalid_precondition',
    'An erasure takes neither If-Match nor If-None-Match. Send it without them.',
  );
}

/** @param tag the name of a version or of a representation, without quotes */
export function etagOf(tag: string): string {
  return `"${tag}"`;
}

function tagsOf(header: string): string[] {
  return [...header.matchAll(/"([^"]*)"/g)].map(([, tag]) => tag ?? '');
}
