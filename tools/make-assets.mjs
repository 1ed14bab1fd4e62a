// Makes src/placeholders/assets from npm packages: the fonts that placeholders are drawn with, and the styles of their characters.
// `npm run assets` writes what differs. `npm run assets -- --check` only names it.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { Blob, Face } from 'harfbuzzjs';
import subsetFont from 'subset-font';

const FOLDER = 'src/placeholders/assets';

// The first family that has a character draws it. Noto Sans SC has the characters of Japanese and traditional Chinese too.
const FAMILIES = [
  'noto-sans',
  'noto-sans-arabic',
  'noto-sans-hebrew',
  'noto-sans-thai',
  'noto-sans-georgian',
  'noto-sans-armenian',
  'noto-sans-tamil',
  'noto-sans-bengali',
  'noto-sans-ethiopic',
  'noto-emoji',
  'noto-sans-sc',
  'noto-sans-kr',
];
const STYLES = ['critters', 'identicon', 'moods', 'pixel-art', 'voxel-bot'];

const WEIGHT = 600;

/** Initials consist of these. Punctuation and symbols are left out. */
const INITIAL = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
const JOINED = /[\p{M}\p{Cf}]/u;

/** What HarfBuzz needs to shape a grapheme: https://harfbuzz.github.io/shaping-opentype-features.html. */
const FEATURES = [
  ...['ccmp', 'rlig', 'liga', 'clig', 'calt', 'rclt', 'mark', 'mkmk', 'curs', 'kern', 'dist', 'abvm', 'blwm'],
  ...['isol', 'init', 'medi', 'fina', 'med2', 'fin2', 'fin3', 'stch', 'ljmo', 'vjmo', 'tjmo'],
  ...['nukt', 'akhn', 'rphf', 'rkrf', 'pref', 'blwf', 'abvf', 'half', 'pstf', 'vatu', 'cjct', 'cfar'],
  ...['pres', 'abvs', 'blws', 'psts', 'haln'],
];
const UNUSED_TABLES = [
  ...['name', 'post', 'OS/2', 'STAT', 'MVAR', 'meta', 'DSIG', 'BASE', 'VORG', 'vhea', 'vmtx'],
  ...['gasp', 'cvt ', 'fpgm', 'prep'],
];

const require = createRequire(import.meta.url);
const packageFile = (path) => readFileSync(require.resolve(path));

const made = new Map();
const ranges = {};
const drawn = new Set();
for (const family of FAMILIES) {
  const here = new Set();
  for (const [subset, claimed] of Object.entries(subsetsOf(family))) {
    const text = codePointsOf(claimed)
      .filter((point) => isNeeded(family, point))
      .map((point) => String.fromCodePoint(point))
      .join('');
    const font = await subsetFont(fontOf(family, subset), text, {
      targetFormat: 'truetype',
      variationAxes: { wght: WEIGHT },
      keepFeatures: FEATURES,
      noHinting: true,
      dropTables: UNUSED_TABLES,
    });
    const points = [...new Face(new Blob(font)).collectUnicodes()].sort((one, other) => one - other);
    const initials = points.filter((point) => INITIAL.test(String.fromCodePoint(point)));
    if (initials.length === 0) continue;
    for (const point of initials) here.add(point);
    const name = `${family}-${fileNameOf(subset)}`;
    made.set(`fonts/${name}.ttf.br`, font);
    ranges[name] = rangesOf(points);
  }
  for (const point of here) drawn.add(point);
}
made.set('fonts/index.json', Buffer.from(`${JSON.stringify(ranges, null, 2)}\n`));
made.set('fonts/OFL.txt', Buffer.from(await licence()));
for (const style of STYLES) {
  made.set(`styles/${style}.json`, packageFile(`@dicebear/styles/${style}.json`));
}

const differing = [...made].filter(([path, bytes]) => !existingBytes(path)?.equals(bytes));
const strays = ['fonts', 'styles']
  .flatMap((folder) => filesIn(folder).map((file) => `${folder}/${file}`))
  .filter((path) => !made.has(path));
for (const path of [...differing.map(([path]) => path), ...strays]) console.log(path);

if (process.argv.includes('--check')) {
  process.exitCode = differing.length + strays.length > 0 ? 1 : 0;
} else {
  for (const folder of ['fonts', 'styles']) mkdirSync(join(FOLDER, folder), { recursive: true });
  for (const [path, bytes] of differing) {
    writeFileSync(join(FOLDER, path), path.endsWith('.br') ? brotliCompressSync(bytes) : bytes);
  }
  for (const path of strays) rmSync(join(FOLDER, path));
}

function subsetsOf(family) {
  return JSON.parse(packageFile(`@fontsource-variable/${family}/unicode.json`));
}

function fontOf(family, subset) {
  const name = `${family}-${fileNameOf(subset)}-wght-normal.woff2`;
  return packageFile(`@fontsource-variable/${family}/files/${name}`);
}

/** Numbered subsets are in brackets. */
function fileNameOf(subset) {
  return subset.replace(/[[\]]/g, '');
}

/** A grapheme is drawn by one file, so marks are needed in every file, and digits (1️⃣) among the emoji. */
function isNeeded(family, point) {
  const character = String.fromCodePoint(point);
  if (JOINED.test(character) || family === 'noto-emoji') return true;
  return INITIAL.test(character) && !drawn.has(point);
}

/** @param {string} claimed ranges as in CSS: `U+41-5A,U+61` */
function codePointsOf(claimed) {
  return claimed.split(',').flatMap((range) => {
    const [first, last = first] = range
      .replace('U+', '')
      .split('-')
      .map((digits) => Number.parseInt(digits, 16));
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** @returns ranges of hex digits: `41-5a,61` */
function rangesOf(points) {
  const found = [];
  for (const point of points) {
    const range = found.at(-1);
    if (range?.last === point - 1) range.last = point;
    else found.push({ first: point, last: point });
  }
  return found
    .map(({ first, last }) => [...new Set([first, last])].map((point) => point.toString(16)).join('-'))
    .join(',');
}

/** The licence that all packages share, below the copyright lines of all fonts. */
async function licence() {
  const texts = FAMILIES.map((family) => packageFile(`@fontsource-variable/${family}/LICENSE`).toString());
  const [shared, ...others] = new Set(
    texts.map((text) => text.slice(text.indexOf('\n\nThis Font Software'))),
  );
  if (others.length > 0) throw new Error('The licences of the fonts differ.');
  const lines = [];
  for (const family of FAMILIES) {
    const [subset] = Object.keys(subsetsOf(family));
    lines.push(`${family}: ${await copyrightOf(fontOf(family, subset))}`);
  }
  return `${lines.join('\n')}${shared}`;
}

/** The packages' own lines are incomplete, so this reads the font. */
async function copyrightOf(font) {
  const whole = await subsetFont(font, '', { targetFormat: 'truetype' });
  return new Face(new Blob(whole)).getName(0, 'en');
}

function existingBytes(path) {
  const file = join(FOLDER, path);
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  return path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes;
}

function filesIn(folder) {
  const path = join(FOLDER, folder);
  return existsSync(path) ? readdirSync(path) : [];
}
