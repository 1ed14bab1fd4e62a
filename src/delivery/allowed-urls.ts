/**
 * Characters that make a URL parse differently from how it looks: backslashes, white space, control
 * characters.
 */
const MISLEADING = /[\\\s\p{Cc}]/u;

/** The host must be written out: only some parsers accept `https:/a`, `https:///a` and `//a`. */
const ABSOLUTE = /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i;

/** Escaped slashes: some servers resolve them, so a path could leave its folder. */
const ESCAPED_SLASH = /%(?:2f|5c)/i;

/**
 * Decides whether readers may be redirected to a URL, so that nobody can send them elsewhere (CWE-601). It
 * must have the origin of one of `allowed`, and its path or a path below it.
 * @returns the URL to redirect to; undefined if it is not allowed
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
