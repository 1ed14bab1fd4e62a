import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { CodedError } from '../../src/errors.js';
import type { Dimensions } from '../../src/images/containers/dimensions.js';
import { gifDimensions } from '../../src/images/containers/gif.js';
import { type Parse, WINDOW_BYTES, parseOpened } from '../../src/images/containers/parse.js';
import { webpDimensions } from '../../src/images/containers/webp.js';
import type { ImagePipeline } from '../../src/images/image-pipeline.js';
import { MUTATIONS, pick } from '../http/support/mutations.js';
import { pngOf } from '../http/support/pictures.js';
import { painted, pngClaiming, reference } from '../support/pictures.js';
import { pipelineHere } from '../support/pipeline.js';
import { SEED } from '../support/programme.js';
import { fc } from '../support/properties.js';
import { randoms } from '../support/randoms.mjs';
import {
  canvas,
  chunk,
  endlessWebp,
  frame,
  gif,
  gifComment,
  gifFrame,
  onePixel,
  repeated,
  webp,
} from './containers.js';

const MB = 1024 * 1024;

let folder: string;
let path: string;
let pixel: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'visage-container-'));
  path = join(folder, 'picture');
  pixel = await onePixel();
});
afterAll(() => rm(folder, { recursive: true }));

interface Walk {
  dimensions: Dimensions | undefined;
  /** The size of each read in bytes. */
  reads: number[];
}

/** Writes a picture to a file and reads its dimensions from there. */
async function walk(bytes: Buffer): Promise<Walk> {
  await writeFile(path, bytes);
  const file = await open(path);
  const reads: number[] = [];
  const counting = {
    read: (options: { buffer: Buffer; position: number }) => {
      reads.push(options.buffer.length);
      return file.read(options);
    },
  } as Pick<FileHandle, 'read'>;
  const parse: Parse<Dimensions | undefined> =
    bytes.toString('latin1', 0, 3) === 'GIF' ? gifDimensions : webpDimensions;
  try {
    return { dimensions: await parseOpened(counting, bytes.length, parse), reads };
  } finally {
    await file.close();
  }
}

async function framesOf(bytes: Buffer): Promise<number | undefined> {
  return (await walk(bytes)).dimensions?.frames;
}

/** The dimensions by libvips; undefined if it cannot read the picture. */
async function decoded(bytes: Buffer): Promise<Dimensions | undefined> {
  try {
    const { width, height, pages = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return { width, height, frames: pages };
  } catch {
    return undefined;
  }
}

describe('the dimensions of a GIF', () => {
  const edges = fc.oneof(fc.nat(9), fc.constantFrom(480, 640, 768, 1024, 2048, 2049, 65_535));
  const places = fc.record({ left: fc.nat(3000), top: fc.nat(9), width: fc.integer({ min: 1, max: 9 }) });
  const blocks = fc.oneof(
    places.map(({ left, top, width }) => gifFrame(width, 1, left, top)),
    fc.array(fc.integer({ min: 1, max: 255 })).map((lengths) => gifComment(...lengths)),
  );

  it('are the same as by libvips, whatever follows the trailer', async () => {
    const pictures = fc.tuple(edges, edges, places, fc.array(blocks), fc.uint8Array());
    await fc.assert(
      fc.asyncProperty(pictures, async ([width, height, { left, top }, others, rest]) => {
        const picture = gif(width, height, gifFrame(1, 1, left, top), ...others);
        const { dimensions } = await walk(Buffer.concat([picture, rest]));
        expect(dimensions).toEqual({ ...(await decoded(picture)), bytes: picture.length });
      }),
    );
  });

  it('are found behind the color tables of the picture and of its frames', async () => {
    const colors = await painted(32, 32, (x, y) => [x * 8, y * 8, 99])
      .gif()
      .toBuffer();
    expect((await walk(colors)).dimensions).toEqual({
      width: 32,
      height: 32,
      frames: 1,
      bytes: colors.length,
    });
    const [local, header] = [gifFrame(1, 1), 10];
    local[header - 1] = 0x87;
    const table = Buffer.alloc(3 * 256, 0x3b);
    const own = gif(1, 1, local.subarray(0, header), table, local.subarray(header), gifFrame(1, 1));
    expect(await framesOf(own)).toBe(2);
  });

  it.each([
    [
      'that breaks off in a frame and continues with zeros',
      () => [gifFrame(1, 1).subarray(0, -2), Buffer.alloc(999)],
    ],
    ['that has a stray byte between its blocks', () => [gifFrame(1, 1), Buffer.alloc(1), gifFrame(1, 1)]],
    ['that has no frame', () => [gifComment(1)]],
  ])('are unknown for one %s', async (_, blocksOf) => {
    expect((await walk(gif(1, 1, ...blocksOf()))).dimensions).toBeUndefined();
  });
});

describe('the dimensions of a WebP', () => {
  const odd = fc
    .tuple(fc.constantFrom('EXIF', 'XMP ', 'abcd'), fc.uint8Array({ maxLength: 9 }))
    .map(([id, data]) => (parts: Parts) => [chunk(id, Buffer.from(data)), ...parts]);
  type Parts = Buffer[];
  const one = fc.constant((parts: Parts) => [frame(pixel), ...parts]);
  const nested = fc.constant((parts: Parts) => [frame(pixel, ...parts)]);
  const beside = fc.constant((parts: Parts) => [frame(pixel, ...parts), frame(pixel)]);
  const trees = fc
    .array(fc.oneof(odd, one, nested, beside), { maxLength: 12 })
    .map(
      (steps) => () =>
        webp(canvas(30, 20), ...steps.reduce<Parts>((parts, step) => step(parts), [frame(pixel)])),
    );

  it('are the same as by libvips, even for frames within frames, whatever follows', async () => {
    let animations = 0;
    await fc.assert(
      fc.asyncProperty(trees, fc.uint8Array(), async (tree, rest) => {
        const picture = Buffer.concat([tree(), rest]);
        const { dimensions } = await walk(picture);
        expect(dimensions).toEqual(await decoded(picture));
        if ((dimensions?.frames ?? 0) > 2) animations++;
      }),
    );
    expect(animations).toBeGreaterThan(20);
  });

  it('never have fewer frames than libvips finds, in any mutant', async () => {
    const whole = webp(canvas(30, 20), frame(pixel, frame(pixel)), chunk('abcd', pixel), frame(pixel));
    let readable = 0;
    for (let n = 0; n < 400; n++) {
      const random = randoms(SEED + n);
      const mutant = pick(MUTATIONS, random)(whole, random, [whole]);
      const found = await decoded(mutant);
      if (!found) continue;
      readable++;
      expect({ n, tooFew: ((await framesOf(mutant)) ?? 0) < found.frames }).toEqual({ n, tooFew: false });
    }
    expect(readable).toBeGreaterThan(20);
  });

  it.each([{ lossless: true }, { lossless: false }])(
    'are those of a still encoded with %o',
    async (options) => {
      const still = () => painted(70, 30, reference(70, 30));
      expect((await walk(await still().webp(options).toBuffer())).dimensions).toEqual({
        width: 70,
        height: 30,
        frames: 1,
      });
      const extended = await still().withIccProfile('p3').webp(options).toBuffer();
      expect((await walk(extended)).dimensions).toEqual({ width: 70, height: 30, frames: 1 });
    },
  );

  it('count no chunk of an impossible length', async () => {
    const whole = webp(canvas(1, 1), frame(pixel), frame(pixel), frame(pixel));
    const second = whole.indexOf('ANMF', whole.indexOf('ANMF') + 1);
    for (const length of [0, 14, 0x7fffffff, 0xfffffff6, 0xffffffff]) {
      const lying = Buffer.from(whole);
      lying.writeUInt32LE(length, second + 4);
      expect([length, await framesOf(lying), await decoded(lying)]).toEqual([length, 1, undefined]);
    }
  });
});

describe('a hostile file', () => {
  const FRAME = () => gifFrame(1, 1);
  it.each<[name: string, make: () => Buffer, frames: number | undefined]>([
    ['of 10,000 frames', () => gif(1, 1, repeated(10_000, FRAME())), 10_000],
    ['of a comment of 4 MB', () => gif(1, 1, longComment(255, 4 * MB), FRAME()), 1],
    ['of a comment in blocks of one byte', () => gif(1, 1, longComment(1, MB), FRAME()), 1],
    ['of a comment that never ends', () => gif(1, 1, longComment(255, MB)).subarray(0, -2), undefined],
    ['of empty comments', () => gif(1, 1, repeated(300_000, gifComment()), FRAME()), 1],
    ['of 60,000 frames', endlessWebp, 60_000],
    ['of empty chunks', () => webp(canvas(1, 1), repeated(300_000, chunk('abcd', Buffer.alloc(0)))), 1],
    ['of empty frames', () => webp(canvas(1, 1), repeated(100_000, frame())), 100_000],
    ['of frames of no length', () => webp(canvas(1, 1), repeated(9999, chunk('ANMF', Buffer.alloc(0)))), 1],
    ['of frames in each other', () => webp(canvas(1, 1), nestedFrames(3000)), 3000],
    [
      'of chunks larger than a window',
      () => webp(canvas(1, 1), repeated(20, frame(chunk('VP8 ', Buffer.alloc(200_001))))),
      20,
    ],
  ])('%s is read once, a window at a time', async (_, make, frames) => {
    const bytes = make();
    const { dimensions, reads } = await walk(bytes);
    expect(dimensions?.frames).toBe(frames);
    expect(Math.max(...reads)).toBeLessThanOrEqual(WINDOW_BYTES);
    // The rest of a window that is too short for the next header is read again.
    const most = bytes.length + reads.length * 16;
    expect(reads.reduce((sum, read) => sum + read)).toBeLessThanOrEqual(most);
  });
});

function longComment(length: number, bytes: number): Buffer {
  const [start, block, end] = [
    gifComment().subarray(0, 2),
    gifComment(length).subarray(2, -1),
    Buffer.alloc(1),
  ];
  return Buffer.concat([start, repeated(Math.floor(bytes / block.length), block), end]);
}

function nestedFrames(depth: number): Buffer {
  let nested = frame(pixel);
  for (let n = 1; n < depth; n++) nested = frame(pixel, nested);
  return nested;
}

describe('a pipeline with a full queue', () => {
  const settings = { avatarMasterSize: 64, imageConcurrency: 1, imageQueue: 0 };
  const outcome = (pipeline: ImagePipeline, source: string) =>
    pipeline.makeMaster(source).then(
      () => 'made',
      (error: unknown) => (error instanceof CodedError ? `${error.code}: ${error.message}` : String(error)),
    );

  it('still refuses pictures by their containers, and is busy for those that it would have to decode', async () => {
    const pipeline = pipelineHere(settings);
    const files = {
      held: pngOf({ width: 7000, height: 7000, bits: 1 }),
      frames: endlessWebp(),
      wide: webp(canvas(16_384, 16_384), frame(pixel), frame(pixel)),
      broken: gif(1, 1, gifFrame(1, 1)).subarray(0, -1),
      claiming: pngClaiming(100_000, 100_000),
      good: gif(1, 1, gifFrame(1, 1)),
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    const answers = async () => {
      const asked = Object.keys(files).slice(1);
      return Object.fromEntries(
        await Promise.all(
          asked.map(async (name) => [name, await outcome(pipeline, join(folder, name))] as const),
        ),
      );
    };
    // Try again if the picture that holds the turn was finished before all answers had come.
    let meanwhile;
    let still;
    do {
      const held = outcome(pipeline, join(folder, 'held'));
      while (pipeline.turns().masters.active === 0) await new Promise(setImmediate);
      meanwhile = await answers();
      still = pipeline.turns().masters.active;
      expect(await held).toBe('made');
    } while (still === 0);
    const refusals = {
      frames:
        'image_too_large: The picture has 16 x 9 px in each of 60000 frames. At most 500 frames are accepted.',
      wide: 'image_too_large: The picture has 16384 x 16384 px in each of 2 frames. At most 50000000 px are accepted, all frames together.',
      broken:
        'unreadable_image: The picture is damaged and cannot be read. Save it again, or send another one.',
    };
    const busy = 'busy: Too many pictures are waiting to be processed. Try again shortly.';
    expect(meanwhile).toEqual({ ...refusals, claiming: busy, good: busy });
    expect(await outcome(pipeline, join(folder, 'claiming'))).toMatch('image_too_large');
    expect(await outcome(pipeline, join(folder, 'good'))).toBe('made');
  });

  it.each([
    ['GIF', () => gif(2, 2, gifComment(9, 3), gifFrame(1, 1), gifFrame(1, 1, 1, 1), gifComment(2))],
    ['WebP', () => webp(canvas(4, 4), frame(pixel), chunk('abcd', Buffer.alloc(3)), frame(pixel))],
  ])('refuses a %s as unreadable wherever it is cut off', async (_, make) => {
    const pipeline = pipelineHere(settings);
    const whole = make();
    await writeFile(path, whole);
    expect(await outcome(pipeline, path)).toBe('made');
    for (let length = 12; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      expect([length, await outcome(pipeline, path)]).toEqual([
        length,
        expect.stringMatching(/^unreadable_image/),
      ]);
    }
  });
});
