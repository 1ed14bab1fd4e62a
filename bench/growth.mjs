// What a request costs with more and more avatars in the storage, on a local disk; draws docs/growth.svg.
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randoms } from '../test/support/randoms.mjs';
import { drawGrowth } from './growth-plot.mjs';
import { get, scrape, storeCalls, upload } from './http.mjs';
import { RENDITION, preparePopulation, smallPhotos } from './population.mjs';
import { startService } from './process.mjs';
import { forEach, median, number, spread } from './stats.mjs';
import { table } from './table.mjs';

const AVATARS = [100, 10_000, 100_000];
const VERSIONS = [1, 10];
const ROUNDS = 5;
const CLIENTS = 8;
const SETTLE_MS = 200;
/** Others than those that the population has: the same picture again would be no new version. */
const UPLOADS_SEED = 100;
const PLOT = 'docs/growth.svg';

/** How many of each in a round. */
const REQUESTS = { 'hot GET': 3000, 'cold GET': 500, upload: 12 };

/** Of a hundred parts of the avatars, those that uploads may go to; and how many avatars of the others are hot. */
const SHARES = 100;
const UPLOADED = ((ROUNDS + 1) * REQUESTS.upload) / SHARES;
const POPULAR = 30;

const folder = mkdtempSync(join(tmpdir(), 'visage-bench-growth-'));
const points = [];
const placed = new WeakMap();
try {
  const objectsOf = await preparePopulation();
  for (const versions of VERSIONS) {
    for (const avatars of AVATARS) points.push(await startPoint(objectsOf, avatars, versions));
  }
  // What was written would else be flushed while others are measured.
  execFileSync('sync');
  const photos = await smallPhotos(UPLOADS_SEED);
  for (let round = -1; round < ROUNDS; round++) {
    for (const point of points) await measure(point, photos, round);
  }
  report();
} finally {
  for (const { hot, cold } of points) {
    await hot.stop();
    await cold.stop();
  }
  execFileSync('rm', ['-rf', folder]);
}

/** Before what was written is removed, which takes as long as to write it. */
function report() {
  const lines = VERSIONS.flatMap((versions) => Object.keys(REQUESTS).map((what) => lineOf(versions, what)));
  console.log(
    table(
      [
        'server CPU, as ratio to the smallest; store calls each',
        ...AVATARS.map((avatars) => `${avatars} avatars`),
      ],
      lines.map(({ name, cells }) => [name, ...cells]),
    ),
  );
  writeFileSync(PLOT, drawGrowth(lines.map(({ name, points }) => ({ name, points }))));
  console.log(`\nDrawn in ${PLOT}.`);
}

/** A storage of so many avatars, with a service that has it in memory and one that keeps nothing in memory. */
async function startPoint(objectsOf, avatars, versions) {
  const home = join(folder, `${avatars}-${versions}`);
  for (let i = 0; i < avatars; i++) {
    for (const { key, bytes } of objectsOf(`grown-${i}`, versions)) {
      place(join(home, 'objects', key), bytes);
    }
  }
  const hot = await startService(home, { AVATAR_WARM_SIZES: '0', CACHE_MAX_AGE_MS: '3600000' });
  const forgetful = { AVATAR_WARM_SIZES: '0', CACHE_MAX_AGE_MS: '0', CACHE_BYTES: '0' };
  const cold = await startService(home, forgetful);
  return { avatars, versions, hot, cold, results: { 'hot GET': [], 'cold GET': [], upload: [] } };
}

/** Pictures are the same ones again and again: of those there are links, which take no room and no time to flush. */
function place(path, bytes) {
  mkdirSync(dirname(path), { recursive: true });
  try {
    const known = placed.get(bytes);
    if (known !== undefined) {
      linkSync(known, path);
      return;
    }
  } catch (error) {
    // A file system has a limit of links to one file: the next one begins anew.
    if (error.code !== 'EMLINK') throw error;
  }
  writeFileSync(path, bytes);
  placed.set(bytes, path);
}

async function measure({ avatars, hot, cold, results }, photos, round) {
  const path = (i) => `/v1/avatars/grown-${i}?size=${RENDITION.size}&format=${RENDITION.format}`;
  // Each avatar is uploaded to once at most, and none of these is read: what follows on an upload is no part of a read.
  const uploaded = (i) => Math.floor((avatars / SHARES) * ((round + 1) * REQUESTS.upload + i));
  const read = (share) => Math.floor(avatars * (UPLOADED + share * (1 - UPLOADED)));
  const popular = Array.from({ length: POPULAR }, (_, i) => `${hot.url}${path(read(i / POPULAR))}`);
  await forEach(POPULAR, CLIENTS, (i) => get(popular[i]));
  const random = randoms(round + 2);
  const tasks = {
    'hot GET': [hot, (i) => get(popular[i % POPULAR])],
    'cold GET': [cold, () => get(`${cold.url}${path(read(random()))}`)],
    upload: [hot, (i) => upload(hot, `grown-${uploaded(i)}`, photos[i % photos.length])],
  };
  for (const [what, [service, task]] of Object.entries(tasks)) {
    const count = REQUESTS[what];
    const before = await scrape(service);
    await forEach(count, CLIENTS, task);
    // What follows on an answer is a part of its cost.
    await sleep(SETTLE_MS);
    const after = await scrape(service);
    // The first round warms up.
    if (round < 0) continue;
    const cpu = after('process_cpu_seconds_total') - before('process_cpu_seconds_total');
    results[what].push({ cpu, calls: (storeCalls(after) - storeCalls(before)) / count });
  }
}

/** @returns how one kind of request grows with the number of avatars, as ratios of the same round */
function lineOf(versions, what) {
  const [smallest, ...larger] = points.filter((point) => point.versions === versions);
  const callsOf = (point) => number(median(point.results[what].map(({ calls }) => calls)));
  const grown = larger.map((point) => {
    const ratios = point.results[what].map(({ cpu }, i) => cpu / smallest.results[what][i].cpu);
    return {
      point,
      ratio: median(ratios),
      text: `${number(median(ratios))} (${spread(ratios)}); ${callsOf(point)}`,
    };
  });
  return {
    name: `${what}, ${versions} ${versions === 1 ? 'version' : 'versions'}`,
    cells: [`1; ${callsOf(smallest)}`, ...grown.map(({ text }) => text)],
    points: [[smallest.avatars, 1], ...grown.map(({ point, ratio }) => [point.avatars, ratio])],
  };
}
