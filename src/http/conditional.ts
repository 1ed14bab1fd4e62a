import type { IncomingHttpHeaders } from 'node:http';
import { CodedError } from '../errors.js';

const ETAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*$/;

/**
 * Whether a reader who has these entity tags already has the picture (RFC 9110, section 13.1.2: weak comparison).
 * @param etag with its quotes
 */
export function matchesNoneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header === etag || header.trim() === '*' || tagsOf(header).includes(etag.slice(1, -1));
}

/** What has to be current for a write to pass: one of these versions, any (`*`), or none. */
export type Precondition = readonly string[] | '*' | 'none';

/**
 * What a writer asks for by If-Match (versions, or `*`; an entity tag of any rendition names its version, a weak one none) or
 * If-None-Match (`*` only), RFC 9110, section 13.1.
 * @throws CodedError `invalid_precondition` where it is something else
 */
export function preconditionOf(headers: IncomingHttpHeaders): Precondition | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (noneMatch !== undefined) {
    if (noneMatch.trim() === '*' && match === undefined) return 'none';
    throw new CodedError(
      'invalid_precondition',
      'On a write, If-None-Match takes * alone: only if there is none.',
      {
        parameter: 'If-None-Match',
      },
    );
  }
  if (match === undefined) return undefined;
  if (match.trim() === '*') return '*';
  if (!ETAGS.test(match)) {
    throw new CodedError('invalid_precondition', 'If-Match takes versions in quotes, or *.', {
      parameter: 'If-Match',
    });
  }
  return [...match.matchAll(/(W\/)?"([^"/]*)[^"]*"/g)]
    .filter(([, weak]) => !weak)
    .map(([, , version]) => version ?? '');
}

/** @param tag the name of a version, or what names a picture */
export function etagOf(tag: string): string {
  return `"${tag}"`;
}

function tagsOf(header: string): string[] {
  return [...header.matchAll(/"([^"]*)"/g)].map(([, tag]) => tag ?? '');
}
