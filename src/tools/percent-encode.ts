/**
 * Percent-encodes a value for a query or a segment of a path, all but what no part of a URL gives a meaning
 * to (RFC 3986, section 2.3). `encodeURIComponent` leaves `!'()*`, of which some end an attribute of HTML or
 * an `url()` of CSS.
 */
export function percentEncode(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
