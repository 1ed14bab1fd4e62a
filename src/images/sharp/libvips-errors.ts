import { CodedError } from '../../errors.js';
import { TooSlow } from '../image-pipeline.js';

/**
 * Many phones get this wrong in a JPEG whose picture is whole: https://github.com/lovell/sharp/issues/1578.
 */
const HARMLESS_WARNING = 'Invalid SOS parameters for sequential JPEG';

/**
 * Gives libvips' errors about an uploaded picture their codes. Other errors stay as they are.
 * @throws CodedError `image_too_large`, `unreadable_image`
 */
export async function withDecodingErrors<T>(decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof CodedError || message.includes('file is missing')) throw error;
    if (isTimeout(error)) {
      const detail = 'The picture takes too long to decode. Send fewer pixels or frames.';
      throw new CodedError('image_too_large', detail, { cause: error });
    }
    if (message.includes('exceeds pixel limit')) throw tooManyPixels(error);
    throw unreadableUpload(error);
  }
}

/**
 * Tells a rendition that took too long from other errors, which stay as they are.
 * @throws TooSlow
 */
export async function withRenderingErrors<T>(render: () => Promise<T>): Promise<T> {
  try {
    return await render();
  } catch (error) {
    if (!isTimeout(error)) throw error;
    throw new TooSlow({ cause: error });
  }
}

export function isHarmlessWarning(error: unknown): boolean {
  return (error as Error).message.includes(HARMLESS_WARNING);
}

export function tooManyPixels(cause: unknown): CodedError {
  return new CodedError('image_too_large', 'The picture has too many pixels. Send a smaller one.', { cause });
}

export function unreadableUpload(cause?: unknown): CodedError {
  const detail = 'The picture is damaged and cannot be read. Save it again, or send another one.';
  return new CodedError('unreadable_image', detail, { cause });
}

/**
 * libvips keeps one text of errors for all pictures, so this one's error may follow another's on a line of
 * its own.
 */
function isTimeout(error: unknown): boolean {
  return /^timeout|killed for image/m.test((error as Error).message);
}
