import type { Rendition } from './rendition.js';

/** Cache-Control for bytes that never change under their URL. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/** Headers with which the store serves a manifest to clients that bypass Visage. */
export const MANIFEST_ATTRIBUTES = { contentType: 'application/json', cacheControl: 'no-store' } as const;

/** Headers with which the store serves a picture to clients that bypass Visage. */
export function attributes({ format }: Pick<Rendition, 'format'>): {
  contentType: string;
  cacheControl: string;
} {
  return { contentType: `image/${format}`, cacheControl: IMMUTABLE };
}
