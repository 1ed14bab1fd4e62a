import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Trust } from '../avatars/read.js';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { etagOf } from '../http/conditional.js';
import type { CacheUsage } from '../model/cache-usage.js';
import type { RenditionFormat } from '../model/formats.js';
import { nextSize } from '../model/rendition.js';
import { sha256Hex } from '../model/sha256.js';
import type { Scheme } from '../placeholders/colors.js';
import type { Drawing, Placeholder } from '../placeholders/drawing.js';
import { Placeholders } from '../placeholders/placeholders.js';
import { SingleFlight } from '../tools/single-flight.js';
import { acceptedFormats } from './negotiation.js';
import type { Picture, PictureMemory } from './picture.js';
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

/** How to draw a picture that is not in memory. */
interface Order {
  drawing: Drawing;
  size: number;
  format: RenditionFormat;
}

interface Drawn {
  bytes: Buffer;
  /** Follows the bytes: a new version of a font or library may draw others for the same request. */
  etag: string;
}

/** Edge in px if the request names none. */
const USUAL_SIZE = 256;

/** Makes PNG the format for clients that name none: it suits both opaque and transparent drawings. */
const DRAWN = { master: 'webp', animated: false } as const;

/** Memory of an entry beside its bytes, generously: a color of 16 px has fewer than a hundred. */
const OVERHEAD_BYTES = 512;

/**
 * Generated pictures, kept in memory. Pictures that look the same are drawn once for all readers who ask for
 * them at the same time.
 */
@Injectable()
export class DefaultPictures implements PictureMemory {
  private readonly cache: LRUCache<string, Drawn>;
  private readonly drawing = new SingleFlight<Drawn>();
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly placeholders: Placeholders,
    private readonly settings: Settings,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, Math.floor(cacheSharesOf(settings).defaultPictures)),
      sizeCalculation: ({ bytes }) => bytes.length + OVERHEAD_BYTES,
    });
  }

  usage(): CacheUsage {
    const { hits, misses, cache } = this;
    return { hits, misses, entries: cache.size, bytes: cache.calculatedSize };
  }

  inMemory(name: string): Buffer | undefined {
    const known = this.cache.get(name);
    if (known) this.hits++;
    return known?.bytes;
  }

  isAtHand(name: string): boolean {
    return this.cache.has(name);
  }

  /**
   * Gives the drawing for a wish, from memory or drawn now: its ETag follows its bytes.
   * @param read which found that the avatar has no picture
   * @throws CodedError `busy` too many pictures are waiting to be drawn
   */
  async choose(wish: DefaultWish, { verified, tokens }: Trust): Promise<Picture> {
    const {
      format: asked,
      accept,
      size: wanted = USUAL_SIZE,
      exact = false,
      dark = false,
      ...placeholder
    } = wish;
    const size = exact ? wanted : nextSize(wanted, this.settings.avatarSizes);
    // AVIF saves next to nothing on drawings.
    const format = asked ?? acceptedFormats(DRAWN, accept, true).find((one) => one !== 'avif') ?? 'png';
    const drawingFor = (hint: Scheme) =>
      this.placeholders.resolve({ ...placeholder, scheme: placeholder.scheme ?? hint });
    const drawing = drawingFor(dark ? 'dark' : 'light');
    const hintDecides = drawingFor(dark ? 'light' : 'dark').key !== drawing.key;
    const key = `${drawing.key}/${size}.${format}`;
    const { bytes, etag } = await this.get(key, { drawing, size, format });
    return {
      format,
      verified,
      etag,
      vary: [...(asked === undefined ? ['Accept'] : []), ...(hintDecides ? [SCHEME_HEADER] : [])],
      load: () => Promise.resolve(bytes),
      repeat: tokens && { tokens, memory: this, key, better: undefined },
    };
  }

  private async get(key: string, order: Order): Promise<Drawn> {
    const known = this.cache.get(key);
    if (known) this.hits++;
    else this.misses++;
    return known ?? this.drawing.run(key, () => this.draw(key, order));
  }

  private async draw(key: string, { drawing, size, format }: Order): Promise<Drawn> {
    const bytes = await this.placeholders.make(drawing, size, format);
    const drawn = { bytes, etag: etagOf(`${drawing.kind}-${sha256Hex(bytes).slice(0, 32)}`) };
    this.cache.set(key, drawn);
    return drawn;
  }
}
