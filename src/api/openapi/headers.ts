/** The headers that clients read, by name. `document.ts` tells of those that every answer has. */
const HEADERS = {
  'Accept-Ranges': 'bytes: the picture can be asked for in parts with Range.',
  Allow: 'The methods that the path takes.',
  'Content-Disposition': 'The name under which a browser saves the picture.',
  'Content-Range': 'The part of the picture that this is, and its length in bytes.',
  ETag: 'The entity tag. A picture has one for each version and rendition, an upload that of its version, a lookup that of its answer.',
  Location: 'Where the picture is.',
  RateLimit:
    'What is left of each limit of uploads: `"avatar";r=4;t=3600`, with the seconds until it is more.',
  'RateLimit-Policy':
    'The limits of uploads, by avatar, credential or address, and their times in seconds: `"avatar";q=5;w=3600`.',
  'Retry-After': 'Seconds after which it makes sense to try again.',
  'WWW-Authenticate': 'Bearer.',
} as const;

export type HeaderName = keyof typeof HEADERS;

/** All of them, for the components of the description. */
export const HEADER_COMPONENTS = Object.fromEntries(
  Object.entries(HEADERS).map(([name, description]) => {
    const type = name === 'Retry-After' ? ('integer' as const) : ('string' as const);
    return [name, { schema: { type }, description }] as const;
  }),
);

/** The headers of an answer as OpenAPI describes them. */
export function headersOf(...names: HeaderName[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const));
}
