/** The part of a representation that an answer has to give; undefined: the whole. */
export type Part = { start: number; end: number } | 'unsatisfiable' | undefined;

/**
 * The part that a request asks for (RFC 9110, section 14). Requests for several ranges, or in other units
 * than bytes, get the whole, as section 14.2 allows.
 * @param range the header Range
 * @param ifRange the header If-Range: if it is not `etag`, the answer is the whole. A date or a weak tag
 * never is (section 13.1.5)
 * @param etag the current entity tag, with its quotes
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
  const [, first, last] = /^bytes=(\d*)-(\d*)$/i.exec(range.trim()) ?? [];
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
