import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import { CodedError } from '../../src/errors.js';
import { RENDITION_FORMATS } from '../../src/model/formats.js';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { SCHEMES, colorsOf, greyOf } from '../../src/placeholders/colors.js';
import type { Placeholder } from '../../src/placeholders/drawing.js';
import { Placeholders } from '../../src/placeholders/placeholders.js';
import { pipelineHere } from '../support/pipeline.js';

const open = (imageQueue = 1000) =>
  new Placeholders(pipelineHere(), Object.assign(new Settings(), { imageConcurrency: 2, imageQueue }));
const placeholders = open();

const HASH = createHash('sha256').update('jane.doe@example.com').digest('hex');
const resolve = (placeholder: Partial<Placeholder>) =>
  placeholders.resolve({ kind: 'initials', seed: HASH, ...placeholder });
const png = async (
  { size = 64, ...placeholder }: Partial<Placeholder> & { size?: number },
  from = placeholders,
) => from.make(resolve(placeholder), size, 'png');
const pixels = async (picture: Buffer) => sharp(picture).raw().toBuffer({ resolveWithObject: true });

/** Kinds that depend on the seed. */
const SEEDED = PLACEHOLDER_KINDS.filter((kind) => kind !== 'mp' && kind !== 'blank');

describe('placeholders', () => {
  const sizes = [1, 2, 31, 80, 513, 2048];
  it.each(PLACEHOLDER_KINDS.flatMap((kind) => sizes.map((size) => [kind, size] as const)))(
    'draw %s at %s px, entirely opaque or entirely transparent',
    async (kind, size) => {
      const { data, info } = await pixels(await png({ kind, size, name: 'Ada Lovelace' }));
      expect([info.width, info.height, info.channels]).toEqual([size, size, 4]);
      const alpha = new Set<number | undefined>();
      for (let i = 3; i < data.length; i += 4) alpha.add(data[i]);
      expect([...alpha]).toEqual([kind === 'blank' ? 0 : 255]);
    },
  );

  it.each(RENDITION_FORMATS)('come as %s', async (format) => {
    const picture = await placeholders.make(resolve({ kind: 'monsterid' }), 96, format);
    const { mediaType, width, height } = await sharp(picture).metadata();
    expect([mediaType, width, height]).toEqual([`image/${format}`, 96, 96]);
  });

  it.each(PLACEHOLDER_KINDS)('are the same bytes for the same seed: %s', async (kind) => {
    expect(await png({ kind }, open())).toEqual(await png({ kind }));
  });

  it.each(SEEDED)('differ from seed to seed: %s', async (kind) => {
    const seeds = Array.from({ length: 40 }, (_, seed) => createHash('md5').update(`${seed}`).digest('hex'));
    const pictures = await Promise.all(seeds.map((seed) => png({ kind, seed })));
    const different = new Set(pictures.map((picture) => picture.toString('base64'))).size;
    // A hash gives no initials but a head, and the palette has fifteen colors.
    expect(different).toBeGreaterThanOrEqual(kind === 'color' || kind === 'initials' ? 12 : 38);
  });

  it.each(
    PLACEHOLDER_KINDS.filter((kind) => kind !== 'blank').flatMap((kind) =>
      SCHEMES.map((scheme) => [kind, scheme] as const),
    ),
  )('have the background of their page: %s, %s', async (kind, scheme) => {
    const { background } = kind === 'mp' ? greyOf(scheme) : colorsOf(HASH, scheme);
    const { data } = await pixels(await png({ kind, scheme }));
    expect(data.includes(Buffer.from(`${background.slice(1)}ff`, 'hex'))).toBe(true);
  });

  it('are made for a light page unless told otherwise', async () => {
    expect(await png({})).toEqual(await png({ scheme: 'light' }));
  });

  it('take a background', async () => {
    const { data } = await pixels(await png({ name: 'Ada', color: '#123456' }));
    expect([...data.subarray(0, 4)]).toEqual([0x12, 0x34, 0x56, 255]);
  });

  it('show a head if there are no initials', async () => {
    const head = await png({});
    expect(await png({ name: '', initials: ' ' })).toEqual(head);
    expect(await png({ name: 'Ada' })).not.toEqual(head);
  });

  it('show a pattern that differs from name to name if no font has a name', async () => {
    const runes = ['ᚠ', 'ᚢ', 'ᚦ', 'ᚨ', 'ᚱ'].flatMap((first) =>
      ['ᚲ', 'ᚷ', 'ᚹ'].map((last) => `${first} ${last}`),
    );
    const names = [...runes, '.', '…', '\uD83D', '\uDE00', '\u0378'];
    const pictures = await Promise.all(names.map((name) => png({ name })));
    expect(new Set(pictures.map((picture) => picture.toString('base64'))).size).toBe(names.length);
    expect(await png({ name: 'ᚠ ᚲ', seed: 'jane.doe', color: '#123456' })).toEqual(
      await png({ name: 'ᚠ ᚲ', seed: HASH, color: '#123456' }),
    );
  });

  it('take initials from a seed that is a name', async () => {
    const [seed, color] = ['jane.doe', '#123456'];
    expect(await png({ seed, color })).toEqual(await png({ name: 'Jane Doe', color }));
    expect(await png({ seed, color, initials: 'jd' })).toEqual(await png({ seed, color }));
  });

  const CHARACTERS = [
    'A',
    'Щ',
    'Ω',
    'م',
    'ש',
    '龍',
    '体',
    '国',
    '國',
    'さ',
    'ア',
    '김',
    'क्ष',
    'ชั',
    '7',
    '٣',
    'Ứ',
  ];
  const EMOJI = ['🦄', '👩‍💻', '🇩🇪', '🇧🇷', '👍🏽', '🏳️‍🌈', '👨‍👩‍👧‍👦', '❤️', '1️⃣'];
  it('have a glyph for every script, each its own', async () => {
    const drawn = [...CHARACTERS, ...EMOJI];
    const pictures = await Promise.all([
      png({ color: '#ffffff' }),
      ...drawn.map((initials) => png({ initials, color: '#ffffff' })),
    ]);
    expect(new Set(pictures.map((picture) => picture.toString('base64'))).size).toBe(drawn.length + 1);
  });

  it('show only the first initial if two would be too small to read', async () => {
    const color = '#ffffff';
    expect(await png({ name: 'தமிழ் கௌரி', color })).toEqual(await png({ name: 'த', color }));
    expect(await png({ name: 'தமிழ் ரவி', color })).not.toEqual(await png({ name: 'த', color }));
    expect(await png({ name: 'WW MM', color })).not.toEqual(await png({ name: 'W', color }));
  });

  it('set Hebrew and Arabic from right to left', async () => {
    const color = '#ffffff';
    // The same two letters in both orders. The one that is read first is drawn at the right: י is narrow, ש is wide.
    const inkLeft = async (name: string) => {
      const { data, info } = await pixels(await png({ name, color, size: 256 }));
      const ink = Array.from(
        { length: 256 },
        (_, x) =>
          Array.from({ length: 256 }, (_, y) => data[(y * info.width + x) * info.channels] ?? 255).filter(
            (red) => red < 128,
          ).length,
      );
      const columns = ink.flatMap((count, x) => (count > 0 ? [x] : []));
      const end = columns.findIndex((x, index) => columns[index + 1] !== x + 1);
      return end + 1;
    };
    expect(await inkLeft('יוסף שרה')).toBeGreaterThan(2 * (await inkLeft('שרה יוסף')));
  });

  it('refuse an invalid size or color', async () => {
    for (const size of [0, -1, 1.5, 2049, Number.NaN])
      await expect(png({ size })).rejects.toThrow(RangeError);
    for (const color of ['red', '#fff', '#12345g', '#123456"/><script>']) {
      await expect(png({ color })).rejects.toThrow(RangeError);
    }
  });

  it('are refused when too many are waiting', async () => {
    const few = open(3);
    const wanted = Array.from({ length: 20 }, (_, seed) => png({ kind: 'mp', seed: `${seed}` }, few));
    const settled = await Promise.allSettled(wanted);
    const refused = settled
      .filter((result) => result.status === 'rejected')
      .map(({ reason }) => reason as CodedError);
    expect(refused.map(({ code }) => code)).toEqual(Array.from({ length: 15 }, () => 'busy'));
    expect(await png({ kind: 'mp' }, few)).toBeInstanceOf(Buffer);
  });
});
