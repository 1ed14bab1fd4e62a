import sharp from 'sharp';
import { photo } from '../test/support/photo.mjs';

const MIB = 1024 * 1024;

// As the service does: the cache would spare bare sharp the work that is measured.
sharp.cache(false);

/** 12 megapixels of a photograph, once as a phone writes them, and once in almost as many bytes as an
 * upload may have by default. */
export async function makePhotos() {
  const original = await photo(4000, 3000, { detail: 0.72, quality: 100 });
  let largest;
  for (let quality = 98; largest === undefined || largest.length > 5 * MIB; quality--) {
    largest = await sharp(original).jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer();
  }
  const usual = await sharp(original).jpeg({ quality: 95 }).toBuffer();
  return { usual, largest, squares: await squaresOf(original) };
}

/** Different pictures of 1024 px, which become masters as they are. */
function squaresOf(original) {
  return Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      sharp(original)
        .extract({ left: 350 * i, top: 230 * i, width: 1024, height: 1024 })
        .jpeg({ quality: 92 })
        .toBuffer(),
    ),
  );
}
