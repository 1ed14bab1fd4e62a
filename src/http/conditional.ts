import { CodedError } from '../errors.js';

const ETAGS = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*$/;

/**
 * Whether a reader who has these entity tags already has the picture (RFC 9110, section 13.1.2: weak comparison).
 * @param etag with its quotes
 */
export function matchesNoneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || tagsOf(header).includes(etag.slice(1, -1));
}

/**
 * The versions that a writer's If-Match names (RFC 9110, section 13.1.1), or `*`. An entity tag of any rendition names its
 * version.
 * @throws CodedError `invalid_precondition` where it is no list of entity tags
 */
export function versionsOfIfMatch(header: string | undefined): string[] | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return ['*'];
  if (!ETAGS.test(header)) {
    throw new CodedError('invalid_precondition', 'If-Match takes versions in quotes, or *.', {
      parameter: 'If-Match',
    });
  }
  return tagsOf(header).map((tag) => tag.split('/', 1)[0] ?? '');
}

/** The entity tag of a rendition, or of a version as a whole. */
export function etagOf(version: string, rendition?: string): string {
  return rendition === undefined ? `"${version}"` : `"${version}/${rendition}"`;
}

function tagsOf(header: string): string[] {
  return [...header.matchAll(/"([^"]*)"/g)].map(([, tag]) => tag ?? '');
}
