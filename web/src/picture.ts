import type { Size } from './framing.js';
import { VisageError } from './problem.js';

/** The types that every browser shows, and that a service accepts unless it is told otherwise. */
export const COMMON = ['image/jpeg', 'image/png', 'image/webp', 'image/gif'];

/** The longest edge of what is drawn in the editor, in px: it keeps a picture of a phone light to move. */
const DRAWN = 2048;

/** Flags in the header of an extended WebP file: RFC 9649, section 2.7. */
const ANIMATION = 0x02;
const EXIF = 0x08;

/** The entry of EXIF that says another orientation than upright, in both byte orders: TIFF 6.0, page 36. */
// eslint-disable-next-line no-control-regex -- bytes, not text
const TURNED = /\x12\x01\x03\0\x01\0\0\0[\x02-\x08]|\x01\x12\0\x03\0\0\0\x01\0[\x02-\x08]/;

/** A picture that the browser can show, upright. */
export interface Picture {
  /** May be smaller than the picture. */
  bitmap: ImageBitmap;
  /** Of the picture itself. */
  size: Size;
  /** The service keeps an animation as it is stored: it can't be turned. */
  animated: boolean;
}

/**
 * @returns undefined if the browser can't show it: the service may know its format all the same
 * @throws VisageError `unreadable_image` if it is of a type that every browser shows
 */
export async function openPicture(file: File): Promise<Picture | undefined> {
  try {
    const head = latin1(await file.slice(0, 32).arrayBuffer());
    const flags = head.startsWith('WEBPVP8X', 8) ? head.charCodeAt(20) : 0;
    // Chromium shows a WebP as it is stored, other browsers turn it.
    if (flags & EXIF && TURNED.test(latin1(await file.arrayBuffer()))) return undefined;
    const animated = head.startsWith('GIF8') || (flags & ANIMATION) !== 0;
    const whole = await createImageBitmap(file, { imageOrientation: animated ? 'none' : 'from-image' });
    const size = { width: whole.width, height: whole.height };
    return { bitmap: await madeLight(whole), size, animated };
  } catch (error) {
    if (file.type !== '' && !COMMON.includes(file.type)) return undefined;
    throw new VisageError('unreadable_image', String(error));
  }
}

/** A character for each byte: those below 0x80 have their own numbers. */
function latin1(bytes: ArrayBuffer): string {
  return new TextDecoder('latin1').decode(bytes);
}

async function madeLight(whole: ImageBitmap): Promise<ImageBitmap> {
  const scale = DRAWN / Math.max(whole.width, whole.height);
  if (scale >= 1) return whole;
  const scaled = (edge: number): number => Math.max(1, Math.round(edge * scale));
  const light = await createImageBitmap(whole, {
    resizeWidth: scaled(whole.width),
    resizeHeight: scaled(whole.height),
    resizeQuality: 'high',
  });
  whole.close();
  return light;
}
