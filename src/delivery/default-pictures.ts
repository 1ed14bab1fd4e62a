import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { etagOf } from '../http/conditional.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Scheme } from '../placeholders/colors.js';
import type { Drawing, Placeholder } from '../placeholders/drawing.js';
import { Placeholders } from '../placeholders/placeholders.js';
import { acceptedFormats } from './negotiation.js';
import type { Picture, PictureMemory, PictureRead } from './picture.js';
import { SCHEME_HEADER } from './preferences.js';

/** A request for a drawing, for an avatar without a picture. */
export interface DefaultWish extends Placeholder {
  /** Edge in px. Rounded up to the next of the sizes, if there is one, unless `exact` is set. */
  size?: number | undefined;
  exact?: boolean | undefined;
  /** Undefined: the best format that `accept` allows. */
  format?: RenditionFormat | undefined;
  accept?: string | undefined;
  /** Colors for a dark page, unless `scheme` says which. */
  dark?: boolean | undefined;
}

/** Edge in px if the request names none. */
const USUAL_SIZE = 256;

/** Makes PNG the format for clients that name none: it suits both opaque and transparent drawings. */
const DRAWN = { master: 'webp', animated: false } as const;

/** Generated pictures, kept in memory. Each is drawn once for all readers who ask for it at the same time. */
@Injectable()
export class DefaultPictures implements PictureMemory {
  private readonly cache: LRUCache<
    string,
    Buffer,
    { drawing: Drawing; size: number; format: RenditionFormat }
  >;

  constructor(
    private readonly placeholders: Placeholders,
    private readonly settings: Settings,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, cacheSharesOf(settings).defaultPictures),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
      fetchMethod: (_key, _stale, { context: { drawing, size, format } }) =>
        placeholders.make(drawing, size, format),
      ignoreFetchAbort: true,
    });
  }

  take(name: string): Buffer | undefined {
    return this.cache.get(name);
  }

  isAtHand(name: string): boolean {
    return this.cache.has(name);
  }

  /**
   * Chooses the drawing for a wish. It is drawn when its bytes are loaded.
   * @param read which found that the avatar has no picture
   */
  choose(wish: DefaultWish, { verified, tokens }: PictureRead): Picture {
    const {
      format: asked,
      accept,
      size: wanted = USUAL_SIZE,
      exact = false,
      dark = false,
      ...placeholder
    } = wish;
    const size = exact ? wanted : (this.settings.avatarSizes.find((one) => one >= wanted) ?? wanted);
    // AVIF saves next to nothing on drawings.
    const format = asked ?? acceptedFormats(DRAWN, accept, true).find((one) => one !== 'avif') ?? 'png';
    const drawingFor = (hint: Scheme) =>
      this.placeholders.resolve({ ...placeholder, scheme: placeholder.scheme ?? hint });
    const drawing = drawingFor(dark ? 'dark' : 'light');
    const hintDecides = drawingFor(dark ? 'light' : 'dark').key !== drawing.key;
    const name = `${drawing.key}/${size}.${format}`;
    return {
      format,
      verified,
      etag: etagOf(name),
      vary: [...(asked === undefined ? ['Accept'] : []), ...(hintDecides ? [SCHEME_HEADER] : [])],
      load: async () => {
        const bytes = await this.cache.fetch(name, { context: { drawing, size, format } });
        if (!bytes) throw new Error('drawing a default picture gave no bytes');
        return bytes;
      },
      again: tokens && { tokens, memory: this, key: name, better: undefined },
    };
  }
}
