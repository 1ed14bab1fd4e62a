/** The headers of answers, by name. */
const HEADERS = {
  'Accept-Ranges': 'bytes: the picture can be asked for in parts with Range.',
  'Access-Control-Allow-Origin': '*: pages of every origin may read the answer.',
  'Access-Control-Expose-Headers': 'The headers that pages of other origins may read.',
  Allow: 'The methods that the path takes.',
  'Cache-Control':
    'How long the answer may be kept without asking. With CDN_PURGE, CDN-Cache-Control says it to CDNs (RFC 9213).',
  'Content-Disposition': 'The name under which a browser saves the picture.',
  'Content-Range': 'The part of the picture that this is, and its length in bytes.',
  'Content-Security-Policy': 'Nothing in the picture may run.',
  'Cross-Origin-Resource-Policy': 'cross-origin: every page may show the picture.',
  ETag: 'The entity tag. A picture has one for each version and rendition, an upload that of its version, a lookup that of its answer.',
  Location: 'Where the picture is.',
  RateLimit:
    'What is left of each limit of uploads: `"avatar";r=4;t=3600`, with the seconds until it is more.',
  'RateLimit-Policy':
    'The limits of uploads, by avatar, credential or address, and their times in seconds: `"avatar";q=5;w=3600`.',
  'Retry-After': 'Seconds after which it makes sense to try again.',
  Vary: 'The request headers that the choice of the picture depends on.',
  'WWW-Authenticate': 'Bearer.',
  'X-Content-Type-Options': 'nosniff.',
  'X-Request-Id': 'The `reqId` of the lines in the log: the id that the request brought, or a new one.',
} as const;

export type HeaderName = keyof typeof HEADERS;

/** The headers of an answer as OpenAPI describes them. */
export function headersOf(...names: HeaderName[]) {
  const describe = (name: HeaderName) => {
    const type = name === 'Retry-After' ? ('integer' as const) : ('string' as const);
    return [name, { schema: { type }, description: HEADERS[name] }] as const;
  };
  return Object.fromEntries(names.map(describe));
}
