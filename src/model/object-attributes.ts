import type { Rendition } from './rendition.js';

/** Cache-Control of bytes that never change under their URL. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/** What the store tells those who read a manifest without Visage. */
export const MANIFEST_ATTRIBUTES = { contentType: 'application/json', cacheControl: 'no-store' } as const;

/** What the store tells those who read it without Visage. */
export function attributes({ format }: Pick<Rendition, 'format'>): {
  contentType: string;
  cacheControl: string;
} {
  return { contentType: `image/${format}`, cacheControl: IMMUTABLE };
}
