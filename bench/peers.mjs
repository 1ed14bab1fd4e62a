import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { get, upload } from './http.mjs';
import { ALIKE, ServerProcess, runClient, startService } from './process.mjs';
import { interleave } from './stats.mjs';
import { ratioRow } from './table.mjs';

const FIRST_READS = 41;
/** First reads before any is counted: both are servers that are up for days. */
const WARMUPS = 20;
const ROUNDS = 3;
const LOAD = { connections: 32, seconds: 2, status: 200 };

/** Against a server that makes pictures when asked: the same source, size, format and quality. */
export async function measurePeers({ folder, photos }) {
  const home = join(folder, 'peers');
  const sources = join(home, 'sources');
  await mkdir(sources, { recursive: true });
  const service = await startService(home, { AVATAR_WARM_SIZES: '0' });
  const ipx = await ServerProcess.start('bench/servers/ipx.mjs', { SOURCE: sources, ...ALIKE });
  try {
    const rows = [];
    for (const [name, source] of [
      ['a photo of 12 megapixels', photos.usual],
      ['a picture of 1024 px', photos.squares[0]],
    ]) {
      rows.push(...(await compare(service, ipx, name, source, sources)));
    }
    return rows;
  } finally {
    await ipx.stop();
    await service.stop();
  }
}

async function compare(service, ipx, name, source, sources) {
  const key = `source-${source.length}`;
  await writeFile(join(sources, `${key}.jpeg`), source);
  const theirs = `${ipx.url}/s_256x256,f_webp,q_80/${key}.jpeg`;
  const ours = (i) => `${service.url}/v1/avatars/${key}-${i}?size=256&format=webp`;
  for (let i = 0; i < FIRST_READS + WARMUPS; i++) await upload(service, `${key}-${i}`, source);
  await assertAlike(await get(ours(0)), await get(theirs));

  // The first of the service was asked for just now, and is a warm-up.
  const first = await interleave({
    own: (i) => get(ours(i)),
    other: () => get(theirs),
    rounds: FIRST_READS,
    warmups: WARMUPS,
  });
  const throughput = [];
  for (let round = -1; round < ROUNDS; round++) {
    const [own, other] = [await load(ours(0)), await load(theirs)];
    // The first round warms up.
    if (round >= 0) throughput.push(own / other);
  }
  return [
    ratioRow(`${name}: repeated reads per second / ipx`, throughput, { atLeast: 100 }, '256 px WebP'),
    ratioRow(`${name}: time of a first read / ipx`, first.ratios, { atMost: 1 }, '256 px WebP'),
  ];
}

async function load(url) {
  return (await runClient('bench/clients/load.mjs', { url, ...LOAD })).perSecond;
}

/** What is compared has to be the same work. */
async function assertAlike(...pictures) {
  const [a, b] = await Promise.all(pictures.map((bytes) => sharp(bytes).metadata()));
  for (const fact of ['format', 'width', 'height']) {
    if (a[fact] !== b[fact])
      throw new Error(`the pictures differ in their ${fact}: ${a[fact]} and ${b[fact]}`);
  }
}
