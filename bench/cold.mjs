import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { pictureKey } from '../dist/model/keys.js';
import { Connection, get, scrape, upload } from './http.mjs';
import { startService } from './process.mjs';
import { interleave, median, number, timed } from './stats.mjs';
import { ratioRow } from './table.mjs';

const AVATARS = 100;
const WARMUPS = 10;
const STAMPEDES = 15;
const CLIENTS = 64;

/** A rendition that nobody has asked for yet, made of a master in the store. */
export async function measureCold({ folder, photos: { squares } }) {
  const home = join(folder, 'cold');
  const service = await startService(home, { AVATAR_WARM_SIZES: '0' });
  try {
    const avatars = [];
    for (let i = 0; i < WARMUPS + AVATARS + 2 * STAMPEDES; i++) {
      const version = await upload(service, `cold-${i}`, squares[i % squares.length]);
      const file = (name) => join(home, 'objects', pictureKey(`cold-${i}`, version, name));
      avatars.push({ url: `${service.url}/v1/avatars/cold-${i}?size=256&format=webp`, file });
    }
    return [
      await measureFirst(avatars.splice(0, WARMUPS + AVATARS)),
      ...(await measureStampedes(service, avatars)),
    ];
  } finally {
    await service.stop();
  }
}

async function measureFirst(avatars) {
  const bareRendition = (i) =>
    sharp(avatars[i].file('master.jpeg'))
      .resize(256, 256, { withoutEnlargement: true })
      .webp({ quality: 80 })
      .toBuffer();
  const times = await interleave({
    own: (i) => get(avatars[i].url),
    settle: (i) => kept(avatars[i]),
    other: bareRendition,
    rounds: AVATARS,
    warmups: WARMUPS,
  });
  const made = await readFile(avatars[0].file('256.webp'));
  if (!made.equals(await bareRendition(0)))
    throw new Error('bare sharp makes another rendition than the service');
  const ofMedians = number(median(times.own) / median(times.other));
  const note = `256 px WebP of ${AVATARS} avatars; ratio of the medians ${ofMedians}`;
  return ratioRow('first GET of a rendition: time / bare sharp', times.ratios, { atMost: 1.25 }, note);
}

async function measureStampedes(service, avatars) {
  const [renders, ratios] = [[], []];
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Connection.open(service.url)));
  const crowd = (url) => Promise.all(clients.map((client) => timed(() => client.get(url))));
  const hot = avatars[0].url;
  for (let i = 0; i < STAMPEDES; i++) {
    const [alone, together] = avatars.splice(0, 2);
    const single = await timed(() => clients[0].get(alone.url));
    await kept(alone);
    // So that none of their connections is slower for being new.
    await crowd(hot);
    const before = await scrape(service);
    const times = await crowd(together.url);
    const after = await scrape(service);
    await kept(together);
    ratios.push(Math.max(...times) / single);
    renders.push(rendersOf(after) - rendersOf(before));
  }
  for (const client of clients) client.close();
  if (Math.min(...renders) < 1) throw new Error('a rendition was there before it was asked for');
  const what = `${CLIENTS} clients, one cold rendition`;
  return [
    {
      what: `${what}: times it was made`,
      value: Math.max(...renders),
      reach: { atMost: 1 },
      note: `the most of ${STAMPEDES} rounds`,
    },
    ratioRow(`${what}: slowest answer / a single cold one`, ratios, { atMost: 1.5 }),
  ];
}

function rendersOf(metrics) {
  return metrics('visage_pictures_total', { kind: 'rendition', outcome: 'made' });
}

/** Waits until the service has kept a rendition, which it does after it has answered. */
async function kept({ file }) {
  const giveUp = performance.now() + 10_000;
  for (;;) {
    try {
      await access(file('256.webp'));
      return;
    } catch (error) {
      if (error.code !== 'ENOENT' || performance.now() > giveUp) throw error;
      await sleep(2);
    }
  }
}
