import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { PLACEHOLDER_KINDS, type PlaceholderKind } from '../model/placeholder-kinds.js';
import { allowedUrl } from './allowed-urls.js';

/** Shown if there is no picture: a drawing, the picture at a URL, or nothing. */
export type Fallback = { kind: PlaceholderKind } | { url: string } | 'nothing';

/** Values of `default` other than a URL. */
export const FALLBACK_NAMES = ['404', 'mm', ...PLACEHOLDER_KINDS] as const;

/** Knows which fallbacks readers may ask for, and the one for all who ask for none. */
@Injectable()
export class Fallbacks {
  /** AVATAR_DEFAULT. */
  readonly usual: Fallback;
  /** The same, or a head if that is nothing: for clients that say so if they want a 404. */
  readonly usualPicture: Fallback;
  /** Origins and URL prefixes that readers may be redirected to. */
  private readonly urls: readonly URL[];

  constructor({ avatarDefault, avatarDefaultUrls }: Settings) {
    this.urls = avatarDefaultUrls.map((url) => new URL(url));
    this.usual = drawingNamed(avatarDefault) ?? 'nothing';
    this.usualPicture = this.usual === 'nothing' ? { kind: 'mp' } : this.usual;
  }

  /** @param text a name, or a URL @returns undefined if it is no name that we know, and no allowed URL */
  named(text: string): Fallback | undefined {
    if (text === '404') return 'nothing';
    const drawing = drawingNamed(text);
    if (drawing) return drawing;
    const url = allowedUrl(text, this.urls);
    return url === undefined ? undefined : { url };
  }
}

/** The name or URL by which `named` gives a fallback. */
export function nameOfFallback(fallback: Fallback): string {
  if (fallback === 'nothing') return '404';
  return 'kind' in fallback ? fallback.kind : fallback.url;
}

function drawingNamed(text: string): { kind: PlaceholderKind } | undefined {
  const kind = text === 'mm' ? 'mp' : PLACEHOLDER_KINDS.find((one) => one === text);
  return kind && { kind };
}
