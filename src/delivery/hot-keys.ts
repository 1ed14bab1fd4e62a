import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { isWellEscaped } from '../http/query.js';
import { nextSize, parseRenditionSize } from '../model/rendition.js';
import { GravatarRequests } from './gravatar-requests.js';

/** Longer URLs have no key, in UTF-16 code units. */
const MAX_URL_CHARACTERS = 2048;

/** Approximate memory of a URL that is remembered beside its text and its key, in bytes. */
const OVERHEAD_BYTES = 200;

const IMMUTABLE = /^\/v1\/avatars\/[^/]+\/[^/]+\/[^/]+$/;
const CURRENT = /^\/v1\/avatars\/[^/]+$/;
const BY_HASH = /^\/avatar\/([^/]*)$/;

/** The parameters that decide what an answer shows. */
const OF_CURRENT = ['animated', 'color', 'default', 'format', 'initials', 'name', 'scheme', 'size'];
const OF_HASH = ['d', 'default', 'f', 'forcedefault', 'initials', 'name', 's', 'scheme', 'size'];

/**
 * Names what the URL of a picture asks for. All ways to write the same have one name, so that nobody can fill
 * the memory of answers by writing it in thousands of ways.
 */
@Injectable()
export class HotKeys {
  /**
   * The last URLs. To read one takes as long as to answer it; whoever fills this memory only makes others
   * read theirs again.
   */
  private readonly known: LRUCache<string, string>;

  constructor(
    private readonly gravatars: GravatarRequests,
    private readonly settings: Settings,
  ) {
    this.known = new LRUCache({
      maxSize: Math.max(1, Math.floor(cacheSharesOf(settings).hotKeys)),
      sizeCalculation: (key, url) => OVERHEAD_BYTES + 2 * (key.length + url.length),
    });
  }

  /**
   * @param url the path and query of a request, as they were sent
   * @returns undefined if it is no picture's, or is written as clients don't write it
   */
  keyOf(url: string): string | undefined {
    const known = this.known.get(url);
    if (known !== undefined) return known;
    const key = this.read(url);
    if (key !== undefined) this.known.set(url, key);
    return key;
  }

  private read(url: string): string | undefined {
    if (url.length > MAX_URL_CHARACTERS || url.includes('#') || !isWellEscaped(url)) return undefined;
    const mark = url.indexOf('?');
    const [path, query] = mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)];
    if (!isUsual(path)) return undefined;
    if (CURRENT.test(path)) return this.ofCurrent(path, query);
    if (IMMUTABLE.test(path)) return path;
    const file = BY_HASH.exec(path)?.[1];
    return file === undefined ? undefined : this.ofHash(file, query);
  }

  private ofCurrent(path: string, query: string): string | undefined {
    const said = valuesOf(query, OF_CURRENT);
    if (!said) return undefined;
    for (const name of ['format', 'animated']) if (said.get(name) === 'auto') said.delete(name);
    const size = parseRenditionSize(said.get('size'));
    if (size !== undefined) said.set('size', String(nextSize(size, this.settings.avatarSizes)));
    const written = new URLSearchParams([...said].sort(([a], [b]) => (a < b ? -1 : 1))).toString();
    return written === '' ? path : `${path}?${written}`;
  }

  private ofHash(file: string, query: string): string | undefined {
    const said = valuesOf(query, OF_HASH);
    return said && `/avatar/${JSON.stringify(this.gravatars.read(file, Object.fromEntries(said)))}`;
  }
}

/**
 * Whether a path is written without an escape, or only with those that `encodeURIComponent` makes. A CDN may
 * know no others.
 */
function isUsual(path: string): boolean {
  if (path.startsWith('/avatar/')) return path === path.toLowerCase() && !path.includes('%');
  return (
    !path.includes('%') ||
    path.split('/').every((part) => encodeURIComponent(decodeURIComponent(part)) === part)
  );
}

/** The values of these parameters. @returns undefined if one is repeated, or a name has an escape */
function valuesOf(query: string, names: readonly string[]): Map<string, string> | undefined {
  const values = new Map<string, string>();
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    if (/[%+]/.test(name)) return undefined;
    if (!names.includes(name)) continue;
    if (values.has(name)) return undefined;
    const value = equals < 0 ? '' : part.slice(equals + 1);
    values.set(name, decodeURIComponent(value.replaceAll('+', ' ')));
  }
  return values;
}
