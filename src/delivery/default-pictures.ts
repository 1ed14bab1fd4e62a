import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { etagOf } from '../http/conditional.js';
import type { RenditionFormat } from '../model/formats.js';
import { sha256Hex } from '../model/sha256.js';
import { type Placeholder, Placeholders } from '../placeholders/placeholders.js';
import { acceptedFormats } from './negotiation.js';
import type { Picture, PictureRead } from './picture.js';

/** What to show for an avatar without a picture. */
export interface DefaultWish extends Omit<Placeholder, 'size'> {
  /** Edge in px. Goes up to the next of the sizes, if there is one, unless it is to be exact. */
  size?: number | undefined;
  exact?: boolean | undefined;
  /** Undefined: the best that `accept` takes. */
  format?: RenditionFormat | undefined;
  accept?: string | undefined;
}

/** In px, if none is asked for. */
const USUAL_SIZE = 256;

/** PNG is the format for clients that name none: it shows drawings that are opaque and drawings that are not. */
const DRAWN = { master: 'webp', animated: false } as const;

/** Generated pictures, each drawn once for all who ask for it at the same time, and kept in memory. */
@Injectable()
export class DefaultPictures {
  private readonly cache: LRUCache<string, Buffer, { placeholder: Placeholder; format: RenditionFormat }>;

  constructor(
    placeholders: Placeholders,
    private readonly settings: Settings,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, cacheSharesOf(settings).defaultPictures),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
      fetchMethod: (_key, _stale, { context }) => placeholders.make(context.placeholder, context.format),
      ignoreFetchAbort: true,
    });
  }

  /**
   * The picture that a wish is drawn as. It is drawn when its bytes are loaded.
   * @param read that says that there is no picture to show instead
   */
  choose(wish: DefaultWish, { verified, stillHolds }: PictureRead): Picture {
    const { format: asked, accept, size: wanted = USUAL_SIZE, exact = false, ...drawing } = wish;
    const size = exact ? wanted : (this.settings.avatarSizes.find((one) => one >= wanted) ?? wanted);
    // An AVIF of a drawing saves next to nothing.
    const format = asked ?? acceptedFormats(DRAWN, accept, true).find((one) => one !== 'avif') ?? 'png';
    const placeholder = { ...drawing, size };
    const name = nameOf(placeholder, format);
    return {
      format,
      verified,
      etag: etagOf(name),
      vary: asked === undefined ? ['Accept'] : [],
      load: async () => {
        const bytes = await this.cache.fetch(name, { context: { placeholder, format } });
        if (!bytes) throw new Error('a drawing came to nothing');
        return bytes;
      },
      again: stillHolds && { isRight: stillHolds, bytes: () => this.cache.get(name) },
    };
  }
}

/** Changes with what is shown. */
function nameOf({ kind, seed, size, scheme, name, initials, color }: Placeholder, format: string): string {
  const text = JSON.stringify([kind, seed, scheme, name, initials, color]);
  return `${kind}-${sha256Hex(text).slice(0, 16)}/${size}.${format}`;
}
