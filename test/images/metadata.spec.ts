import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { type Encoding, SECRET, animation, painted, reference, talkative } from '../support/pictures.js';
import { needs } from '../support/tools.js';
import { Gallery } from './gallery.js';

/** Tags of exiftool that every picture has, whatever it shows. */
const FORM = new RegExp(
  '^(' +
    [
      'SourceFile',
      '(ExifTool|System|Composite):.*',
      'File:(FileType|FileTypeExtension|MIMEType|ImageWidth|ImageHeight|EncodingProcess|BitsPerSample|ColorComponents|YCbCrSubSampling)',
      'JFIF:(JFIFVersion|ResolutionUnit|XResolution|YResolution)',
      'PNG:(ImageWidth|ImageHeight|BitDepth|ColorType|Compression|Filter|Interlace)',
      'PNG-pHYs:.*',
      'RIFF:(VP8Version|WebP_Flags|ImageWidth|ImageHeight|HorizontalScale|VerticalScale|AlphaIsUsed|Alpha.*|AnimationLoopCount|BackgroundColor|FrameCount|Duration)',
    ].join('|') +
    ')$',
);

const still = (alpha: boolean) =>
  painted(200, 200, (x, y) => [...reference(200, 200)(x, y), ...(alpha ? [Math.min(x * 4, 255)] : [])]);
const moving = () => animation(200, 200, [reference(200, 200), () => [9, 9, 9]]);

const sources: readonly (readonly [string, Encoding | 'gif', () => Sharp])[] = [
  ['a JPEG', 'jpeg', () => still(false)],
  ['a PNG', 'png', () => still(false)],
  ['a transparent PNG', 'png', () => still(true)],
  ['a WebP', 'webp', () => still(true)],
  ['an animated WebP', 'webp', moving],
  ['a GIF', 'gif', () => still(false)],
  ['an animated GIF', 'gif', moving],
];

needs('exiftool')('a picture that is served', () => {
  let gallery: Gallery;
  let folder: string;
  beforeAll(async () => {
    gallery = await Gallery.open();
    folder = await mkdtemp(join(tmpdir(), 'visage-metadata-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    expect(await gallery.close()).toBe(0);
  });

  /** The tags that exiftool finds in each picture, by the picture's name. */
  async function tagsOf(pictures: Record<string, Buffer>): Promise<Record<string, Record<string, unknown>>> {
    const paths = await Promise.all(
      Object.entries(pictures).map(async ([name, bytes]) => {
        const path = join(folder, name);
        await writeFile(path, bytes);
        return path;
      }),
    );
    const { stdout } = await promisify(execFile)('exiftool', ['-j', '-a', '-G1', '-u', ...paths]);
    const found = JSON.parse(stdout) as Record<string, unknown>[];
    return Object.fromEntries(found.map((tags) => [basename(String(tags['SourceFile'])), tags]));
  }

  it.each(sources)('has no metadata of %s', async (_, encoding, picture) => {
    const source = await talkative(picture(), encoding);
    const { master, as } = await gallery.show(source);
    const formats = ['jpeg', 'png', 'webp'];
    const renditions = await Promise.all(formats.map((format) => as({ size: 64, format })));
    const answers = Object.fromEntries([master, ...renditions].map((bytes, i) => [`answer-${i}`, bytes]));
    const { source: told, ...tags } = await tagsOf({ source, ...answers });

    expect(JSON.stringify(told)).toContain(SECRET);
    expect(Object.keys(tags)).toEqual(Object.keys(answers));
    const names = Object.values(tags).flatMap((found) => Object.keys(found));
    expect(names.filter((name) => !FORM.test(name))).toEqual([]);
    for (const bytes of Object.values(answers)) {
      expect(bytes.includes(SECRET)).toBe(false);
      const { exif, icc, xmp, iptc, comments, orientation, density = 72 } = await sharp(bytes).metadata();
      expect({ exif, icc, xmp, iptc, comments, orientation, density }).toEqual({ density: 72 });
    }
  });
});
