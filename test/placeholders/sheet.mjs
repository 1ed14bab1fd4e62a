// Draws every kind of placeholder, light and dark, and initials in many scripts onto one sheet to look at:
// `npm run build && node test/placeholders/sheet.mjs sheet.png`
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Settings } from '../../dist/config/settings.js';
import { openPipeline } from '../../dist/images/open-pipeline.js';
import { PLACEHOLDER_KINDS } from '../../dist/model/placeholder-kinds.js';
import { Placeholders } from '../../dist/placeholders/placeholders.js';

const EDGE = 96;
const GAP = 8;
const COLUMNS = 13;

const NAMES = {
  Latin: ['Ada Lovelace', 'Élodie Ñandú', 'Łukasz Żak', 'Nguyễn Ứng', 'Quincy Jagger', 'WW MM'],
  Cyrillic: ['Юлия Щербакова', 'Їжак Ґава'],
  Greek: ['Άννα Ψαρρού', 'Ωμέγα'],
  Arabic: ['محمد علي', 'فاطمة', 'شیرین گلپایگانی'],
  Hebrew: ['שרה לוי', 'יוסף'],
  Han: ['山田 太郎', '王小明', '龍 劍'],
  Kana: ['さくら モモ'],
  Hangul: ['김 민수', '쀍'],
  Devanagari: ['श्री क्षत्रिय', 'किरण'],
  Thai: ['เอก ชัยวัฒน์', 'กิตติ ผู้ใหญ่'],
  emoji: ['🦄', '👩‍💻', '🇩🇪', '👍🏽', '🏳️‍🌈', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '👨‍👩‍👧‍👦', '❤️', '1️⃣'],
  digits: ['007', '٣ ٤', 'R2-D2'],
  none: ['', 'ᚠᚢ', '١'],
};

const settings = Object.assign(new Settings(), { imageQueue: 10_000 });
const placeholders = new Placeholders(openPipeline(settings), settings);
const draw = (placeholder) => placeholders.make(placeholders.resolve(placeholder), EDGE, 'png');

const seeds = Array.from({ length: COLUMNS }, (_, index) => `seed ${index}`);
const kinds = PLACEHOLDER_KINDS.filter((kind) => kind !== 'initials');
const names = Object.values(NAMES).flat();
const namesInRows = Array.from({ length: Math.ceil(names.length / COLUMNS) }, (_, row) =>
  names.slice(row * COLUMNS, (row + 1) * COLUMNS),
);
const rows = ['light', 'dark'].flatMap((scheme) => [
  ...kinds.map((kind) => seeds.map((seed) => ({ kind, seed, scheme }))),
  ...namesInRows.map((row) =>
    row.map((name) => ({
      kind: 'initials',
      name,
      seed: createHash('md5').update(name).digest('hex'),
      scheme,
    })),
  ),
]);

const step = EDGE + GAP;
const tiles = await Promise.all(
  rows.flatMap((row, y) =>
    row.map(async (placeholder, x) => ({
      input: await draw(placeholder),
      left: GAP + x * step,
      top: GAP + y * step,
    })),
  ),
);
const height = GAP + rows.length * step;
const half = {
  create: { width: GAP + COLUMNS * step, height: height / 2, channels: 3, background: '#15181c' },
};
await sharp({ create: { width: GAP + COLUMNS * step, height, channels: 3, background: '#ffffff' } })
  .composite([{ input: await sharp(half).png().toBuffer(), left: 0, top: height / 2 }, ...tiles])
  .png()
  .toFile(process.argv[2] ?? 'sheet.png');
