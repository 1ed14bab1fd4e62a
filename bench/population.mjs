import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { MANIFEST_ATTRIBUTES } from '../dist/model/object-attributes.js';
import { manifestKey, pictureKey } from '../dist/model/keys.js';
import { writeManifest } from '../dist/model/manifest-format.js';
import { apply } from '../dist/model/intents.js';
import { emptyManifest } from '../dist/model/manifest.js';
import { CDN_CHECK } from '../dist/cdn/check-settings.js';
import { loadSettings } from '../dist/config/load-settings.js';
import { renditionName } from '../dist/model/rendition.js';
import { attributes } from '../dist/model/object-attributes.js';
import { openPipeline } from '../dist/images/open-pipeline.js';
import { photo } from '../test/support/photo.mjs';

/** The rendition that the store has of each current version. */
export const RENDITION = { size: 64, format: 'webp' };

const PICTURES = 8;
const { settings } = loadSettings({}, CDN_CHECK);

/**
 * What uploads of a handful of small pictures would have left in a store.
 * @returns {Promise<(id: string, versions?: number) => { key: string, bytes: Buffer, contentType: string, cacheControl: string }[]>}
 * the objects of an avatar, its manifest last; its pictures follow from its id
 */
export async function preparePopulation() {
  const pictures = await makePictures();
  // Uploads of an hour ago, one a second.
  const oldest = Date.now() - 3_600_000;
  return (id, versions = 1) => {
    const objects = [];
    let manifest = emptyManifest(id);
    const first = [...id].reduce((sum, character) => sum + character.charCodeAt(0), 0);
    for (let i = 0; i < versions; i++) {
      const { master, rendition, source } = pictures[(first + i) % PICTURES];
      const { bytes, format, ...facts } = master;
      const at = new Date(oldest + 1000 * i).toISOString();
      const name = uuidv7({ msecs: Date.parse(at) });
      const origin = { version: name, source, master: format };
      const version = { ...origin, ...facts, bytes: bytes.length, uploadedAt: at };
      manifest = apply(manifest, { type: 'publish', at, version }, settings.avatarHistory);
      const picture = (rendered, content) => ({
        key: pictureKey(id, name, renditionName(rendered)),
        bytes: content,
        ...attributes(rendered),
      });
      objects.push(picture({ format }, bytes));
      if (i === versions - 1) objects.push(picture(RENDITION, rendition));
    }
    objects.push({ key: manifestKey(id), bytes: writeManifest(manifest), ...MANIFEST_ATTRIBUTES });
    return objects;
  };
}

/** Different small pictures. @param {number} [seed] of the first of them @returns {Promise<Buffer[]>} */
export function smallPhotos(seed = 1) {
  return Promise.all(
    Array.from({ length: PICTURES }, (_, i) => photo(160, 160, { detail: 0.4, seed: seed + i })),
  );
}

async function makePictures() {
  const pipeline = openPipeline(settings);
  const folder = await mkdtemp(join(tmpdir(), 'visage-bench-pictures-'));
  try {
    const path = join(folder, 'photo.jpeg');
    const made = [];
    for (const bytes of await smallPhotos()) {
      await writeFile(path, bytes);
      const master = await pipeline.makeMaster(path);
      const source = createHash('sha256').update(bytes).digest('hex');
      made.push({ master, source, rendition: await pipeline.render(master.bytes, RENDITION) });
    }
    return made;
  } finally {
    await rm(folder, { recursive: true });
  }
}
