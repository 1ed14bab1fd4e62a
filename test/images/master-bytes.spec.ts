import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import type { Master } from '../../src/images/image-pipeline.js';
import { pipelineHere } from '../support/pipeline.js';
import { randoms } from '../support/randoms.mjs';
import { Gallery, framesOf } from './gallery.js';

const MAX_BYTES = 100_000;
const DELAY_MS = 70;
const TOO_LARGE =
  /^The picture takes \d+ bytes at 700 x 700 px, even at a lower quality\. At most 100000 bytes are kept\. Send fewer pixels, or a picture with less noise\.$/;

/** Frames of noise, no two alike. A GIF or PNG keeps them unchanged, and an encoder can leave out next to nothing. */
function noise(edge: number, frames: number, channels: 3 | 4 = 3): Sharp {
  const random = randoms(edge + frames);
  const data = Buffer.alloc(edge * edge * frames * channels);
  const { length } = data;
  for (let i = 0; i < length; i++) data[i] = random() * 256;
  return sharp(data, { raw: { width: edge, height: edge * frames, channels, pageHeight: edge } });
}

const animated = (edge: number, frames: number) =>
  noise(edge, frames)
    .gif({ delay: Array<number>(frames).fill(DELAY_MS), dither: 0, effort: 1 })
    .toBuffer();

/** The master of an animation that was not reduced. */
const untouched = (animation: Buffer) =>
  sharp(animation, { animated: true }).webp({ quality: 85, effort: 0 }).toBuffer();

const jpeg = (picture: Buffer, quality = 90) => sharp(picture).removeAlpha().jpeg({ quality }).toBuffer();

describe('the bytes of a master', () => {
  let gallery: Gallery;
  beforeAll(async () => {
    gallery = await Gallery.open({ CONSTANT_AVATAR_MASTER_MAX_BYTES: String(MAX_BYTES) });
  });
  afterAll(async () => {
    expect(await gallery.close()).toBe(0);
  });

  it('changes no master within it', async () => {
    const animation = await animated(128, 4);
    const { answer, info, master } = await gallery.show(animation);
    expect(master).toEqual(await untouched(animation));
    expect(answer).not.toHaveProperty('reduced');
    expect(info).toEqual(answer);
    const photo = await noise(128, 1).png().toBuffer();
    const still = await gallery.show(photo);
    expect(still.master).toEqual(await jpeg(photo));
    expect(still.answer).not.toHaveProperty('reduced');
  });

  it('first lowers the quality of an animation, and keeps its frames', async () => {
    const animation = await animated(128, 10);
    expect((await untouched(animation)).length).toBeGreaterThan(MAX_BYTES);
    const { answer, info, master } = await gallery.show(animation);
    expect(answer).toMatchObject({
      reduced: 'quality',
      animated: true,
      format: 'webp',
      bytes: master.length,
    });
    expect(info).toEqual(answer);
    expect(master.length).toBeLessThanOrEqual(MAX_BYTES);
    const { pages, delay } = await sharp(master, { animated: true }).metadata();
    expect({ pages, delay }).toEqual({ pages: 10, delay: Array(10).fill(DELAY_MS) });
  });

  it('then keeps only the first frame, at full quality', async () => {
    const animation = await animated(128, 20);
    const { answer, info, master, as } = await gallery.show(animation);
    expect(answer).toMatchObject({ reduced: 'still', animated: false, format: 'jpeg', bytes: master.length });
    expect(info).toEqual(answer);
    expect(master).toEqual(await jpeg(animation));
    expect(await framesOf(await as({ size: 64, format: 'webp' }))).toHaveLength(1);
  });

  it('is reported again in the history and when the same picture is uploaded again', async () => {
    const animation = await animated(128, 21);
    const { answer, again, versions } = await gallery.show(animation);
    expect(answer).toHaveProperty('reduced', 'still');
    expect(await again(animation)).toEqual(answer);
    expect(await versions()).toEqual([answer]);
  });

  it.each([
    ['an opaque picture', 3, 'jpeg', 380],
    ['a transparent one', 4, 'webp', 280],
  ] as const)('lowers the quality of %s', async (_, channels, format, edge) => {
    const { answer, master } = await gallery.show(await noise(edge, 1, channels).png().toBuffer());
    expect(answer).toMatchObject({ reduced: 'quality', format, width: edge, bytes: master.length });
    expect(await sharp(master).metadata()).toMatchObject({ format, width: edge });
    expect(master.length).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('turns an animated rendition that would have more bytes into a still', async () => {
    const { answer, master, as } = await gallery.show(await animated(128, 7));
    expect(answer).toMatchObject({ animated: true, bytes: master.length });
    expect(answer).not.toHaveProperty('reduced');
    const large = await sharp(master, { animated: true }).gif({ effort: 3 }).toBuffer();
    expect(large.length).toBeGreaterThan(MAX_BYTES);
    const still = await as({ size: 128, format: 'gif' });
    expect(await framesOf(still)).toHaveLength(1);
    expect(still).toEqual(await as({ size: 128, format: 'gif', animated: 'false' }));
    const small = await as({ size: 64, format: 'gif' });
    expect(await framesOf(small)).toHaveLength(7);
    expect(small.length).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('refuses a picture that is still too large, and says what to do', async () => {
    for (const picture of [await noise(700, 1).png().toBuffer(), await animated(700, 2)]) {
      expect(await gallery.problem(picture)).toEqual({
        status: 422,
        code: 'image_too_large',
        detail: expect.stringMatching(TOO_LARGE) as unknown,
      });
    }
  });
});

describe('the pipeline', () => {
  let folder: string;
  let source: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-master-bytes-'));
    source = join(folder, 'source');
    await writeFile(source, await animated(64, 6));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const pipelineFor = (avatarMasterMaxBytes: number) => pipelineHere({ avatarMasterMaxBytes });
  const attempt = async (maxBytes: number): Promise<{ master: Master; tasks: number }> => {
    let tasks = 0;
    const count = () => tasks++;
    sharp.queue.on('change', count);
    const master = await pipelineFor(maxBytes).makeMaster(source);
    sharp.queue.off('change', count);
    return { master, tasks };
  };

  it('encodes again only a master above the limit, even by one byte', async () => {
    const free = await attempt(1e9);
    expect(free.master.reduced).toBeUndefined();
    expect(await attempt(free.master.bytes.length)).toEqual(free);
    const lower = await attempt(free.master.bytes.length - 1);
    expect(lower.master).toMatchObject({ reduced: 'quality', animated: true });
    expect(lower.tasks).toBeGreaterThan(free.tasks);
    expect(await attempt(lower.master.bytes.length)).toEqual(lower);
    const still = await attempt(lower.master.bytes.length - 1);
    expect(still.master).toMatchObject({ reduced: 'still', animated: false, format: 'jpeg' });
    const { bytes, sha256, thumbhash, color } = still.master;
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect({ thumbhash, color }).toEqual({ thumbhash: free.master.thumbhash, color: free.master.color });
    const lowest = await attempt(bytes.length - 1);
    expect(lowest.master).toMatchObject({ reduced: 'still', animated: false, format: 'jpeg' });
    await expect(attempt(lowest.master.bytes.length - 1)).rejects.toMatchObject({ code: 'image_too_large' });
  });
});
