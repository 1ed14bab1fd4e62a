import sharp from 'sharp';
import type { SourceFormat } from '../../model/formats.js';

const LOADERS: Record<SourceFormat, string> = {
  jpeg: 'VipsForeignLoadJpeg',
  png: 'VipsForeignLoadPng',
  webp: 'VipsForeignLoadWebp',
  gif: 'VipsForeignLoadNsgif',
  avif: 'VipsForeignLoadHeif',
};

/**
 * Sets what libvips has only once for the whole process: the formats that it may read, its cache and its
 * threads.
 */
export function configureLibvips(allowedFormats: readonly SourceFormat[]): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  // JPEG and WebP are always allowed: masters have these formats.
  const formats = new Set<SourceFormat>([...allowedFormats, 'jpeg', 'webp']);
  sharp.unblock({ operation: Array.from(formats, (format) => LOADERS[format]) });
  // The cache is for repeated work on one picture. It would hold memory and files open.
  sharp.cache(false);
  // One thread for each picture: pictures are processed side by side, and a second thread costs a tenth more
  // CPU and saves no time.
  sharp.concurrency(1);
}
