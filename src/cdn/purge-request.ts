import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Settings } from '../config/settings.js';

/** The HTTP request that makes a CDN forget a tag or a path. */
export interface PurgeRequest {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
}

/** Stands for a tag or the beginning of a path, in the URL, the value of a header, or the body. */
export const PLACEHOLDERS = { tags: '{tag}', paths: '{path}' } as const;

/** @throws Error if CDN_HTTP_HEADERS are no headers */
export function purgeRequestOf({
  cdnHttpMethod: method,
  cdnHttpUrl: url = '',
  cdnHttpHeaders,
  cdnHttpBody: body,
}: Settings): PurgeRequest {
  return { method, url, headers: parseHeaders(cdnHttpHeaders), body };
}

/** What a request names: exactly one of them if `CDN_CHECK` finds no problem. */
export function namedBy({ url, headers, body = '' }: PurgeRequest): (keyof typeof PLACEHOLDERS)[] {
  const texts = [url, ...Object.values(headers), body];
  return (['tags', 'paths'] as const).filter((by) => texts.some((text) => text.includes(PLACEHOLDERS[by])));
}

function parseHeaders(text = '{}'): Record<string, string> {
  const headers = JSON.parse(text) as unknown;
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) throw new Error('no object');
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw new Error('no string');
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  return headers as Record<string, string>;
}
