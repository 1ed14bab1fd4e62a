import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RenditionFormat } from '../model/formats.js';
import type { Placeholder, Placeholders } from '../placeholders/placeholders.js';
import { acceptedFormats } from './negotiation.js';

/** What to show of an avatar without a picture. */
export interface DefaultWish extends Omit<Placeholder, 'size'> {
  /** Edge in px; goes up to the next of the sizes, if there is one, unless it is to be exact. */
  size?: number | undefined;
  exact?: boolean | undefined;
  /** Undefined: the best that `accept` takes. */
  format?: RenditionFormat | undefined;
  accept?: string | undefined;
}

export interface DefaultPicture {
  bytes: Buffer;
  format: RenditionFormat;
  /** Changes with what is shown. */
  tag: string;
  /** Takes the same bytes out of memory, as long as they are there. */
  take: () => Buffer | undefined;
}

/** In px, where none is asked for. */
const USUAL_SIZE = 256;

/** Drawings are opaque or not, so that PNG is what every client can show of them. */
const DRAWN = { master: 'webp', animated: false } as const;

/** Generated pictures, each drawn once for all who ask for it at the same time, and kept in memory. */
export class DefaultPictures {
  private readonly cache: LRUCache<string, Buffer, { placeholder: Placeholder; format: RenditionFormat }>;

  /** @param sizes ascending, in px */
  constructor(
    placeholders: Placeholders,
    private readonly options: { sizes: readonly number[]; cacheBytes: number },
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, options.cacheBytes),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
      fetchMethod: (_key, _stale, { context }) => placeholders.make(context.placeholder, context.format),
      ignoreFetchAbort: true,
    });
  }

  /** @throws CodedError `busy` */
  async get({
    format: asked,
    accept,
    size: wanted = USUAL_SIZE,
    exact = false,
    ...drawing
  }: DefaultWish): Promise<DefaultPicture> {
    const { sizes } = this.options;
    const size = exact ? wanted : (sizes.find((one) => one >= wanted) ?? wanted);
    // An AVIF of a drawing saves next to nothing.
    const format = asked ?? acceptedFormats(DRAWN, accept, true).find((one) => one !== 'avif') ?? 'png';
    const placeholder = { ...drawing, size };
    const { kind, seed, scheme, name, initials, color } = placeholder;
    const text = JSON.stringify([kind, seed, scheme, name, initials, color]);
    const tag = `${kind}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}/${size}.${format}`;
    const bytes = await this.cache.fetch(tag, { context: { placeholder, format } });
    if (!bytes) throw new Error('a drawing came to nothing');
    return { bytes, format, tag, take: () => this.cache.get(tag) };
  }
}
