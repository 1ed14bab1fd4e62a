import type { SettingsCheck } from '../config/load-settings.js';
import { Settings, variableOf } from '../config/settings.js';
import { PLACEHOLDERS, type PurgeRequest, namedBy, purgeRequestOf } from './purge-request.js';

/** Checks the settings of the CDN, before there is a driver. */
export const CDN_CHECK: SettingsCheck = { problems: problemsOfPurges, warnings: warningsOfPurges };

/**
 * Names in lower case of headers that are about the connection or the length: `fetch` refuses, drops or
 * contradicts them.
 */
const FORBIDDEN = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

/** Tells what is wrong with the settings of the CDN. Quotes no value: headers have secrets. */
function problemsOfPurges(settings: Settings): string[] {
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
  const forbidden = Object.keys(request.headers).filter((name) => FORBIDDEN.has(name.toLowerCase()));
  if (forbidden.length > 0) {
    problems.push(
      `CDN_HTTP_HEADERS cannot have ${forbidden.join(', ')}: remove it, the service sets it itself`,
    );
  }
  const named = namedBy(request);
  if (named.length !== 1) {
    problems.push(
      `CDN_HTTP_URL, CDN_HTTP_HEADERS and CDN_HTTP_BODY together must have either {tag} or {path}: ${named.length > 0 ? 'they have both' : 'they have neither'}`,
    );
  }
  return problems;
}

const DEFAULTS = new Settings();

/** The settings of each driver. */
const OWN = {
  none: [],
  http: ['cdnHttpMethod', 'cdnHttpUrl', 'cdnHttpHeaders', 'cdnHttpBody'],
  cloudfront: ['cdnCloudfrontDistributionId', 'cdnCloudfrontBy'],
} as const;

/** Tells which purges do not happen though the settings suggest it. */
function warningsOfPurges(settings: Settings, servesBucket: boolean): string[] {
  const { cdnPurge, urlMode } = settings;
  const others = (['http', 'cloudfront'] as const).filter((driver) => driver !== cdnPurge);
  const warnings = others.flatMap((driver) => {
    const set = OWN[driver].filter((property) => settings[property] !== DEFAULTS[property]).map(variableOf);
    if (set.length === 0) return [];
    const effect = cdnPurge === 'none' ? 'no CDN is purged' : `the CDN is purged by ${cdnPurge}`;
    return [
      `CDN_PURGE is ${cdnPurge}, so that ${effect}, and ${set.join(', ')} ${set.length > 1 ? 'are' : 'is'} ignored. ` +
        `Set CDN_PURGE=${driver} to use ${set.length > 1 ? 'them' : 'it'}.`,
    ];
  });
  if (cdnPurge === 'none' && settings.cdnMaxAge !== DEFAULTS.cdnMaxAge) {
    warnings.push(
      'CDN_PURGE is none, so that CDN_MAX_AGE is ignored: caches that nobody purges follow CACHE_CONTROL_MAX_AGE. ' +
        'Set CDN_PURGE to have the CDN purged.',
    );
  }
  if (cdnPurge !== 'none' && servesBucket) {
    warnings.push(
      `CDN_PURGE purges the answers of Visage. With URL_MODE ${urlMode}, browsers get pictures from PUBLIC_BASE_URL or the bucket, ` +
        'and Visage does not purge those. A CDN there has to be purged by hand: docs/cdn.md.',
    );
  }
  return warnings;
}

/** Whether it is the URL of one host, whatever the placeholders stand for. */
function isUrl(text: string): boolean {
  const filled = text.replaceAll(PLACEHOLDERS.paths, '/path');
  if (!/^https?:\/\/[^/?#{}]+(?:[/?]|$)/.test(filled) || !URL.canParse(filled)) return false;
  const { username, password, hash } = new URL(filled);
  return username + password + hash === '';
}
