import sharp from 'sharp';

/** What the service makes of a photo to keep, by sharp alone. @param {string} path of the photo @returns {Promise<Buffer>} */
export function bareMaster(path) {
  return sharp(path)
    .autoOrient()
    .resize(1024, 1024, { fit: 'cover', position: sharp.strategy.attention })
    .jpeg({ quality: 90 })
    .toBuffer();
}
