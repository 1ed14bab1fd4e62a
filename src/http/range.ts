/** What a request for a part of a picture gets; undefined: the whole. */
export type Part = { start: number; end: number } | 'unsatisfiable' | undefined;

/**
 * The one part that a request asks for (RFC 9110, section 14). Several parts, and what is no range of bytes, are answered with
 * the whole, as section 14.2 allows.
 * @param ifRange the header If-Range: another tag than the picture's asks for the whole
 * @param length of the whole, in bytes
 * @returns `start` and `end`, both included
 */
export function partOf(
  range: string | undefined,
  ifRange: string | undefined,
  etag: string,
  length: number,
): Part {
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim()) ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const suffix = Math.min(Number(last), length);
    return suffix === 0 ? 'unsatisfiable' : { start: length - suffix, end: length - 1 };
  }
  const start = Number(first);
  const end = last === '' ? length - 1 : Math.min(Number(last), length - 1);
  if (last !== '' && Number(last) < start) return undefined;
  return start >= length ? 'unsatisfiable' : { start, end };
}
