// Uploads a photo, a logo, an animation and a tiny picture to a service of its own, and puts what it delivers onto one sheet to look at:
// `npm run build && node test/delivery/sheet.mjs sheet.png`. It lists what it shows.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import sharp from 'sharp';
import { photo } from '../support/photo.mjs';

const SIZES = [16, 32, 64, 128, 256];
/** The edge of those of `/avatar/<hash>`: always exact, and never moving. */
const EXACT = 200;
const GAP = 8;
const LABEL = 110;
const WAYS = [
  { format: 'jpeg' },
  { format: 'png' },
  { format: 'webp' },
  { format: 'webp', animated: false },
  { format: 'avif' },
  { format: 'gif' },
  { format: 'gif', animated: false },
];

const svg = (width, height, content) =>
  Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${content}</svg>`);

/** Upright for those who mind its orientation: the arrow points up, red is on the left. */
async function photograph() {
  const marks = svg(
    900,
    900,
    `<path d="M450 90 L640 330 H520 V800 H380 V330 H260 Z" fill="#fff" stroke="#000" stroke-width="8"/>
     <rect x="20" y="20" width="150" height="860" fill="#d01818"/><rect x="730" y="20" width="150" height="860" fill="#18a018"/>`,
  );
  const upright = await sharp(await photo(900, 900))
    .composite([{ input: marks }])
    .png()
    .toBuffer();
  // 6: row 0 of what is stored is the right side.
  return sharp(upright).rotate(270).withMetadata({ orientation: 6 }).jpeg({ quality: 92 }).toBuffer();
}

/** Edges that are half transparent, a shadow that fades, and a hole. */
function logo() {
  return sharp(
    svg(
      512,
      512,
      `<defs><radialGradient id="fade"><stop offset="0.6" stop-color="#000" stop-opacity="0.6"/><stop offset="1" stop-opacity="0"/></radialGradient></defs>
       <circle cx="270" cy="280" r="230" fill="url(#fade)"/><circle cx="250" cy="240" r="160" fill="none" stroke="#f06000" stroke-width="70"/>
       <path d="M250 40 L280 240 L250 440 L220 240 Z" fill="#fff8e0"/>`,
    ),
  )
    .png()
    .toBuffer();
}

/** Six frames: a ball goes from left to right and changes from red to blue. The first one is red and on the left. */
async function animation() {
  const frames = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((i) =>
      sharp(
        svg(
          300,
          300,
          `<rect width="300" height="300" fill="#f4f0e0"/><circle cx="${50 + 40 * i}" cy="150" r="40" fill="rgb(${220 - 40 * i},30,${20 + 40 * i})"/>`,
        ),
      )
        .png()
        .toBuffer(),
    ),
  );
  return sharp(frames, { join: { animated: true } })
    .gif({ delay: frames.map(() => 120) })
    .toBuffer();
}

/** Pixels that can be counted. */
function tiny() {
  const rows = [
    '..xxxx..',
    '.xooxoo.',
    'xoooooox',
    'xo.oo.ox',
    'xoooooox',
    'xo....ox',
    '.xooooo.',
    '..xxxx..',
  ];
  const squares = rows.flatMap((row, y) =>
    [...row].map((mark, x) => {
      const fill = { x: '#203080', o: '#f0c020', '.': '#ffffff' }[mark];
      return `<rect x="${x * 2}" y="${y * 2}" width="2" height="2" fill="${fill}"/>`;
    }),
  );
  return sharp(svg(16, 16, squares.join('')))
    .flatten()
    .png()
    .toBuffer();
}

const folder = await mkdtemp(join(tmpdir(), 'visage-sheet-'));
const service = spawn(process.execPath, [resolve('dist/main.js')], {
  cwd: folder,
  env: { PATH: process.env.PATH, PORT: '0', SHUTDOWN_DRAIN_MS: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const base = await listening();
  const uploads = {
    photo: await photograph(),
    logo: await logo(),
    moving: await animation(),
    tiny: await tiny(),
  };
  const blocks = [];
  for (const [name, body] of Object.entries(uploads)) {
    const avatar = `${base}/v1/avatars/${name}`;
    await taken(`${avatar}`, body);
    await taken(`${avatar}/aliases`, JSON.stringify({ hashes: [hashOf(name)] }));
    blocks.push(await block(base, name));
  }
  await sheetOf(blocks, process.argv[2] ?? 'sheet.png');
} finally {
  service.kill();
  await once(service, 'exit');
  await rm(folder, { recursive: true });
}

async function taken(url, body) {
  const answer = await fetch(url, { method: 'PUT', body });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

/** Stands for an avatar. */
function hashOf(name) {
  return createHash('md5').update(name).digest('hex');
}

async function listening() {
  let output = '';
  service.stdout.on('data', (chunk) => (output += chunk));
  for (;;) {
    const url = /listening at (http:\/\/[^"\s]+)/.exec(output)?.[1];
    if (url !== undefined) return url;
    if (service.exitCode !== null) throw new Error(`the service ended:\n${output}`);
    await setTimeout(20);
  }
}

/** All pictures of an avatar: a row for each way, a column for each size. Of those that move, the first and the last frame. */
async function block(base, name) {
  const rows = [];
  for (const { format, animated } of WAYS) {
    const row = { label: `${name} ${format}${animated === false ? ' still' : ''}`, tiles: [] };
    for (const size of SIZES) {
      const still = animated === false ? '&animated=false' : '';
      const url = `${base}/v1/avatars/${name}?size=${size}&format=${format}${still}`;
      row.tiles.push(await tile(row.label, url, size));
    }
    if (animated === undefined) {
      const url = `${base}/avatar/${hashOf(name)}.${format}?s=${EXACT}`;
      row.tiles.push(await tile(row.label, url, `exactly ${EXACT}`));
    }
    rows.push(row);
  }
  return rows;
}

async function tile(label, url, size) {
  const answer = await fetch(url);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status}`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const { width, pageHeight, height, pages = 1, hasAlpha } = await sharp(bytes).metadata();
  const shown = [await sharp(bytes).png().toBuffer()];
  if (pages > 1)
    shown.push(
      await sharp(bytes, { page: pages - 1 })
        .png()
        .toBuffer(),
    );
  const { channels } = await sharp(await on('#ffffff', shown[0])).stats();
  const colour = channels.map(({ mean }) => mean.toFixed(0).padStart(3)).join(' ');
  console.log(
    [
      label.padEnd(18),
      `asked ${size}`.padEnd(17),
      `${width} x ${pageHeight ?? height}`.padEnd(10),
      `${pages} frames`.padEnd(9),
      hasAlpha ? 'alpha ' : 'opaque',
      String(bytes.length).padStart(7),
      answer.headers.get('content-type').padEnd(10),
      `on white ${colour}`,
    ].join('  '),
  );
  return { shown, width };
}

/** Each picture is shown on white and on dark, so that the edges of what is transparent can be seen. */
async function sheetOf(blocks, path) {
  const rows = blocks.flat();
  const layers = [];
  let top = GAP;
  let right = 0;
  for (const { label, tiles } of rows) {
    const tallest = Math.max(...tiles.map(({ width }) => width));
    layers.push({
      input: svg(
        LABEL,
        16,
        `<text x="0" y="12" font-size="11" font-family="sans-serif" fill="#404040">${label}</text>`,
      ),
      left: GAP,
      top,
    });
    let left = GAP + LABEL;
    for (const { shown, width } of tiles) {
      for (const input of shown) {
        layers.push({ input, left, top });
        layers.push({ input: await on('#15181c', input), left: left + width + 2, top });
        left += 2 * width + GAP;
      }
    }
    right = Math.max(right, left);
    top += tallest + GAP;
  }
  await sharp({ create: { width: right, height: top, channels: 3, background: '#ffffff' } })
    .composite(layers)
    .png()
    .toFile(path);
}

function on(background, picture) {
  return sharp(picture).flatten({ background }).png().toBuffer();
}
