/** What a parser of URLs would read otherwise than it looks: backslashes, white space, control characters. */
const MISLEADING = /[\\\s\p{Cc}]/u;

/** With a host that is written out: `https:/a`, `https:///a` and `//a` are URLs to some readers only. */
const ABSOLUTE = /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i;

/** Escaped slashes, which some servers resolve to leave a folder. */
const ESCAPED_SLASH = /%(?:2f|5c)/i;

/**
 * A URL that readers may be sent to, so that nobody can send them elsewhere (CWE-601): of the origin of one of `allowed`, and
 * its path or something below it.
 * @returns as it is to be sent; undefined where it may not be
 */
export function allowedUrl(text: string, allowed: readonly URL[]): string | undefined {
  if (MISLEADING.test(text) || !ABSOLUTE.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || ESCAPED_SLASH.test(url.pathname)) return undefined;
  return allowed.some((prefix) => isBelow(url, prefix)) ? url.href : undefined;
}

function isBelow(url: URL, { origin, pathname }: URL): boolean {
  const folder = pathname.endsWith('/') ? pathname : `${pathname}/`;
  return url.origin === origin && (url.pathname === pathname || url.pathname.startsWith(folder));
}
