import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { RenditionFormat } from '../model/formats.js';
import { backgroundOf } from '../placeholders/drawing.js';
import { type Fallback, Fallbacks, nameOfFallback } from './fallbacks.js';
import { percentEncode } from '../tools/percent-encode.js';

/** The pictures of a list, and what to show for avatars that have none. */
export interface ListWish {
  /** Edges in px; undefined: `master`, and each of AVATAR_SIZES. */
  sizes?: readonly number[] | undefined;
  /** Undefined: each reader's Accept decides. */
  format?: RenditionFormat | undefined;
  /** Undefined: initials if there is a name, otherwise AVATAR_DEFAULT, or a head if that is 404. */
  fallback?: Fallback | undefined;
}

/** Where readers find what is shown for an avatar without a picture. */
export interface StandInPaths {
  /** The paths with their queries, by size in px, and of the `master` if no sizes are asked for. */
  paths: Record<string, string>;
  /** The background of the drawing on a light page, as `#rrggbb`; undefined: there is none. */
  color: string | undefined;
}

const INITIALS: Fallback = { kind: 'initials' };

/**
 * Finds the paths that show something for avatars without a picture. Reads nothing and draws nothing. Only
 * those of a wish for the fallback `nothing` answer 404.
 */
@Injectable()
export class DefaultPaths {
  constructor(
    private readonly fallbacks: Fallbacks,
    private readonly settings: Settings,
  ) {}

  /** @param name of the person, for initials */
  ofAvatar(id: string, name: string | undefined, wish: ListWish): StandInPaths {
    const named = name !== undefined && name.trim() !== '';
    const { fallback = named ? INITIALS : this.fallbacks.usualPicture } = wish;
    // Drawings without a letter ignore names, which do not belong into URLs for nothing.
    const hasName = named && fallback !== 'nothing' && 'kind' in fallback && fallback.kind === 'initials';
    const more = queryOf({
      format: wish.format,
      default: fallback === this.fallbacks.usual ? undefined : nameOfFallback(fallback),
      name: hasName ? name : undefined,
    });
    return this.at(`/v1/avatars/${encodeURIComponent(id)}?size=`, more, id, fallback, wish);
  }

  /** @param hash in lower case, which stands for no avatar */
  ofHash(hash: string, wish: ListWish): StandInPaths {
    const { format, fallback = this.fallbacks.usualPicture } = wish;
    const more = queryOf({ d: wish.fallback && nameOfFallback(wish.fallback) });
    const path = `/avatar/${hash}${format === undefined ? '' : `.${format}`}?s=`;
    return this.at(path, more, hash, fallback, wish);
  }

  private at(start: string, more: string, seed: string, fallback: Fallback, wish: ListWish): StandInPaths {
    const { sizes = this.settings.avatarSizes } = wish;
    const paths: Record<string, string> = {};
    for (const size of sizes) paths[size] = `${start}${size}${more}`;
    if (wish.sizes === undefined) paths['master'] = `${start}${Math.max(...sizes)}${more}`;
    const isDrawn = fallback !== 'nothing' && 'kind' in fallback;
    return { paths, color: isDrawn ? backgroundOf(fallback.kind, seed) : undefined };
  }
}

/** What comes after the first parameter of a query. */
function queryOf(parameters: Record<string, string | undefined>): string {
  return Object.entries(parameters)
    .map(([name, value]) => (value === undefined ? '' : `&${name}=${percentEncode(value)}`))
    .join('');
}
