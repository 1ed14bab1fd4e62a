import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Settings } from './settings.js';

/** The HTTP request that makes a CDN forget a tag or a path. */
export interface PurgeRequest {
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
}

/** Stands for a tag or the beginning of a path, in the URL, the value of a header, or the body. */
export const PLACEHOLDERS = { tags: '{tag}', paths: '{path}' } as const;

/** @throws Error unless `problemsOfPurges` finds nothing */
export function purgeRequestOf({
  cdnHttpMethod: method,
  cdnHttpUrl: url = '',
  cdnHttpHeaders,
  cdnHttpBody: body,
}: Settings): PurgeRequest {
  return { method, url, headers: parseHeaders(cdnHttpHeaders), body };
}

/** What a request names: tags or paths. Undefined: neither. */
export function placeholderOf(request: PurgeRequest): keyof typeof PLACEHOLDERS | undefined {
  return (['tags', 'paths'] as const).find((by) => has(request, PLACEHOLDERS[by]));
}

/** Tells what is wrong with the settings of the CDN. Quotes no value: headers have secrets. */
export function problemsOfPurges(settings: Settings): string[] {
  if (settings.cdnPurge === 'cloudfront' && settings.cdnCloudfrontDistributionId === undefined) {
    return ['CDN_CLOUDFRONT_DISTRIBUTION_ID must be set when CDN_PURGE is cloudfront'];
  }
  if (settings.cdnPurge !== 'http') return [];
  const { cdnHttpUrl: url, cdnHttpMethod: method } = settings;
  if (url === undefined) return ['CDN_HTTP_URL must be set when CDN_PURGE is http'];
  const problems = [];
  if (!isUrl(url)) {
    problems.push(
      'CDN_HTTP_URL must be a URL that starts with http:// or https://, without user, password and fragment, and without {tag} in the host',
    );
  }
  let request: PurgeRequest;
  try {
    request = purgeRequestOf(settings);
  } catch {
    const example = '{"Authorization":"Bearer ..."}';
    return [...problems, `CDN_HTTP_HEADERS must be headers as a JSON object of strings: ${example}`];
  }
  if (request.body !== undefined && (method === 'GET' || method === 'HEAD')) {
    problems.push(`CDN_HTTP_BODY cannot be sent with CDN_HTTP_METHOD ${method}`);
  }
  const [tag, path] = [has(request, PLACEHOLDERS.tags), has(request, PLACEHOLDERS.paths)];
  if (tag === path) {
    problems.push(
      `CDN_HTTP_URL, CDN_HTTP_HEADERS and CDN_HTTP_BODY together must have either {tag} or {path}: ${tag ? 'they have both' : 'they have neither'}`,
    );
  }
  return problems;
}

function has({ url, headers, body = '' }: PurgeRequest, placeholder: string): boolean {
  return [url, ...Object.values(headers), body].some((text) => text.includes(placeholder));
}

/** Whether it is the URL of one host, whatever the placeholders stand for. */
function isUrl(text: string): boolean {
  const filled = text.replaceAll(PLACEHOLDERS.paths, '/path');
  if (!/^https?:\/\/[^/?#{}]+(?:[/?]|$)/.test(filled) || !URL.canParse(filled)) return false;
  const { username, password, hash } = new URL(filled);
  return username + password + hash === '';
}

/** @throws Error if they are no headers */
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
