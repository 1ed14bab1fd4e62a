// Draws every kind of placeholder in three sizes, and initials in many scripts, onto one sheet to look at: at the left for light pages,
// at the right for dark ones. `npm run build && node test/placeholders/sheet.mjs sheet.png`
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Settings } from '../../dist/config/settings.js';
import { openPipeline } from '../../dist/images/open-pipeline.js';
import { PLACEHOLDER_KINDS } from '../../dist/model/placeholder-kinds.js';
import { Placeholders } from '../../dist/placeholders/placeholders.js';

const GAP = 8;
const [LARGE, USUAL, SMALL] = [512, 80, 32];
const CELL = LARGE + USUAL + 2 * GAP;
const CELLS_IN_A_ROW = 3;
const WIDTH = CELLS_IN_A_ROW * CELL + GAP;
const PAGES = { light: '#ffffff', dark: '#15181c' };

/** One row each. */
const NAMES = {
  Latin: [
    'Ada Lovelace',
    'Élodie Ñandú',
    'Łukasz Żak',
    'Nguyễn Ứng',
    'Quincy Jagger',
    'WW MM',
    'ii',
    'ǆenan',
    'ŉ',
    'Ọ̀ṣun',
    'Ångström Q',
  ],
  Cyrillic: ['Юлия Щербакова', 'Їжак Ґава', 'Ђорђе Љубић', 'Йолка'],
  Greek: ['Άννα Ψαρρού', 'Ωμέγα', 'Ξένια Φωτίου'],
  Arabic: ['محمد علي', 'فاطمة', 'شیرین گلپایگانی', 'مُحَمَّد', 'محمد Smith', 'إبراهيم ؤ'],
  Hebrew: ['שרה לוי', 'יוסף', 'שׁרה קץ', 'Dan לוי'],
  Devanagari: ['श्री क्षत्रिय', 'किरण', 'हृदय ज्ञान', 'रूपा कौर', 'ऐश्वर्या'],
  Bengali: ['শ্রী ক্ষিতি', 'কিরণ', 'কোয়েল চৌধুরী', 'রবীন্দ্রনাথ ঠাকুর'],
  Tamil: ['தமிழ் கௌரி', 'ஸ்ரீதர் க்ஷமா', 'கெவின்', 'ஐஸ்வர்யா ரஜினி'],
  Thai: ['เอก ชัยวัฒน์', 'กิตติ ผู้ใหญ่', 'ญาดา ฐิติ'],
  Georgian: ['ნინო ჭავჭავაძე', 'შოთა', 'ᲜᲘᲜᲝ'],
  Armenian: ['Արամ Խաչատրյան', 'և', 'Ֆրունզիկ'],
  Ethiopic: ['አበበ ቢቂላ', 'ኃይለ ሥላሴ', 'ጸጋ'],
  Han: ['山田 太郎', '王小明', '龍 劍', '國 体'],
  Kana: ['さくら モモ', 'ぴか', 'ー'],
  Hangul: ['김 민수', '쀍', '이 뷁'],
  emoji: ['🦄', '👩‍💻', '🇩🇪', '👍🏽', '🏳️‍🌈', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '👨‍👩‍👧‍👦', '❤️', '1️⃣', '🙂'],
  digits: ['007', '٣ ٤', 'R2-D2', '१', '৩ ৪', '４２', '½'],
  mixed: ['Ａｄａ', '𝓐𝓭𝓪 𝓛𝓸𝓿𝓮', 'Ada 王', '王 Ada', 'ሀ Щ', '5 שרה', 'A 🦄', 'क A'],
  none: ['', 'ᚠᚢ', 'ᚠᚢᚦ', '.', '\uD83D'],
};

const settings = Object.assign(new Settings(), { imageQueue: 10_000 });
const placeholders = new Placeholders(openPipeline(settings), settings);
const draw = (placeholder, size) => placeholders.make(placeholders.resolve(placeholder), size, 'png');

/** Every kind: large, and beside it as lists and pages show it. */
const kinds = PLACEHOLDER_KINDS.flatMap((kind, index) => {
  const left = GAP + (index % CELLS_IN_A_ROW) * CELL;
  const top = GAP + Math.floor(index / CELLS_IN_A_ROW) * (LARGE + GAP);
  const placeholder = { kind, seed: 'jane.doe' };
  return [
    { placeholder, size: LARGE, left, top },
    { placeholder, size: USUAL, left: left + LARGE + GAP, top },
    { placeholder, size: SMALL, left: left + LARGE + GAP, top: top + USUAL + GAP },
  ];
});
const kindsHeight = GAP + Math.ceil(PLACEHOLDER_KINDS.length / CELLS_IN_A_ROW) * (LARGE + GAP);

const names = Object.values(NAMES).flatMap((row, index) =>
  row.flatMap((name, column) => {
    const placeholder = { kind: 'initials', name, seed: createHash('md5').update(name).digest('hex') };
    const [left, top] = [GAP + column * (USUAL + SMALL + 2 * GAP), kindsHeight + index * (USUAL + GAP)];
    return [
      { placeholder, size: USUAL, left, top },
      { placeholder, size: SMALL, left: left + USUAL + GAP, top },
    ];
  }),
);
const height = kindsHeight + Object.keys(NAMES).length * (USUAL + GAP);

const pages = await Promise.all(
  Object.entries(PAGES).map(async ([scheme, background]) => {
    const tiles = await Promise.all(
      [...kinds, ...names].map(async ({ placeholder, size, left, top }) => ({
        input: await draw({ ...placeholder, scheme }, size),
        left,
        top,
      })),
    );
    return sharp({ create: { width: WIDTH, height, channels: 3, background } })
      .composite(tiles)
      .png()
      .toBuffer();
  }),
);
await sharp({ create: { width: 2 * WIDTH, height, channels: 3, background: '#ffffff' } })
  .composite(pages.map((input, index) => ({ input, left: index * WIDTH, top: 0 })))
  .png()
  .toFile(process.argv[2] ?? 'sheet.png');
