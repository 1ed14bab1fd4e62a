// Every kind of request for a long time, to see whether memory grows or anything is left behind. BENCH_MINUTES says how long, and
// BENCH_ALLOCATOR with which allocator only: glibc or jemalloc.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative, sep } from 'node:path';
import sharp from 'sharp';
import { RECORD } from '../dist/outbox/storage-record.js';
import { randoms } from '../test/support/randoms.mjs';
import { Bucket, hasS3 } from './bucket.mjs';
import { ask } from './http.mjs';
import { smallPhotos } from './population.mjs';
import { startService } from './process.mjs';
import { closedLoop, median, number, slope } from './stats.mjs';
import { table } from './table.mjs';

const MINUTES = Number(process.env.BENCH_MINUTES ?? 15);
const SAMPLE_SECONDS = 5;
const CLIENTS = 16;
const AVATARS = 500;
const SIZES = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const FORMATS = ['jpeg', 'png', 'webp', 'avif', 'gif'];
const DEFAULTS = [
  '404',
  'initials',
  'color',
  'mp',
  'blank',
  'identicon',
  'monsterid',
  'retro',
  'robohash',
  'wavatar',
];
const ACCEPTS = ['image/avif,image/webp,*/*', 'image/webp,*/*', '*/*'];

/** What the service gets for each allocator. The dynamic linker finds the library by its name, ld.so(8). */
const ALLOCATORS = { glibc: { LD_PRELOAD: undefined }, jemalloc: { LD_PRELOAD: 'libjemalloc.so.2' } };

const { BENCH_ALLOCATOR: only } = process.env;
if (only !== undefined && !Object.hasOwn(ALLOCATORS, only))
  throw new Error(`BENCH_ALLOCATOR=${only} is none of ${Object.keys(ALLOCATORS)}`);
const names = only === undefined ? Object.keys(ALLOCATORS) : [only];
if (!hasS3) console.log('On a local disk, which has no outbox: no TEST_S3_ENDPOINT.');
const pictures = await uploadable();
const results = [];
for (const name of names) results.push({ name, ...(await measure(name)) });
console.log(perMinute(results));
for (const { name, samples, answered, left } of results) {
  const later = samples.filter(([minute]) => minute >= MINUTES / 3);
  const peak = Math.max(...samples.map(([, mib]) => mib));
  const answers = [...answered].sort().map(([what, times]) => `${times} x ${what}`);
  console.log(
    `\n${name}: slope of the last two thirds ${number(slope(later) * 60)} MiB an hour, peak ${number(peak)} MiB`,
  );
  console.log(`Nothing is left in ${left}. Answers: ${answers.join(', ')}`);
}

/** @returns memory by the minute, what was answered, and the folders that were found empty afterwards */
async function measure(allocator) {
  const folder = await mkdtemp(join(tmpdir(), 'visage-bench-memory-'));
  const bucket = hasS3 ? await Bucket.create() : undefined;
  const service = await startService(folder, { ...bucket?.settings, ...ALLOCATORS[allocator] });
  try {
    // The dynamic linker only warns about a library that it does not find.
    if (service.hasMapped('jemalloc') !== (allocator === 'jemalloc'))
      throw new Error(`the service does not run with ${allocator}`);
    const samples = [];
    const started = performance.now();
    const sample = () => samples.push([(performance.now() - started) / 60_000, service.residentMiB()]);
    const sampler = setInterval(sample, SAMPLE_SECONDS * 1000);
    const { request, answered } = mixedLoad(service, pictures);
    await closedLoop(request, { loops: CLIENTS, seconds: MINUTES * 60 }).finally(() =>
      clearInterval(sampler),
    );
    await service.stop('SIGTERM');
    if (service.child.exitCode !== 0) throw new Error(`the service ended with ${service.child.exitCode}`);
    const folders = ['spool', ...(bucket ? ['outbox'] : [])];
    const left = (await Promise.all(folders.map((name) => filesIn(join(folder, name))))).flat();
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    return { samples, answered, left: folders.join(' and ') };
  } finally {
    await service.stop();
    await bucket?.destroy();
    await rm(folder, { recursive: true });
  }
}

/** Pictures of every kind, and one that is none. */
async function uploadable() {
  const photos = await smallPhotos();
  const moving = await sharp(photos.slice(0, 3), { join: { animated: true } })
    .gif()
    .toBuffer();
  const others = [sharp(photos[0]).resize(1200).webp(), sharp(photos[1]).resize(900).png()];
  return [
    ...photos,
    moving,
    ...(await Promise.all(others.map((picture) => picture.toBuffer()))),
    Buffer.from('no picture'),
  ];
}

function mixedLoad({ url }, pictures) {
  const random = randoms(3);
  const oneOf = (values) => values[Math.floor(random() * values.length)];
  const etags = new Map();
  const answered = new Map();
  const kinds = [
    {
      share: 0.75,
      name: 'GET',
      allowed: [200, 404],
      make: () => ({ path: pathOf(), headers: { Accept: oneOf(ACCEPTS) } }),
    },
    { share: 0.93, name: 'GET again', allowed: [200, 304, 404], make: () => again() },
    {
      share: 0.98,
      name: 'PUT',
      allowed: [200, 201, 415],
      make: () => ({ path: avatar(), body: oneOf(pictures) }),
    },
    { share: 0.995, name: 'DELETE', allowed: [204], make: () => ({ path: avatar() }) },
    { share: 1, name: 'DELETE erase', allowed: [200], make: () => ({ path: `${avatar()}?erase=true` }) },
  ];
  const avatar = () => `/v1/avatars/mixed-${Math.floor(random() * AVATARS)}`;
  const pathOf = () => {
    const query = [`size=${oneOf(SIZES)}`, `default=${oneOf(DEFAULTS)}`];
    if (random() < 0.7) query.push(`format=${oneOf(FORMATS)}`);
    return `${avatar()}?${query.join('&')}`;
  };
  const again = () => {
    if (etags.size === 0) return { path: pathOf() };
    const [path, etag] = oneOf([...etags]);
    return { path, headers: { 'If-None-Match': etag } };
  };
  const request = async () => {
    const drawn = random();
    const { name, allowed, make } = kinds.find(({ share }) => drawn < share);
    const { path, ...options } = make();
    const { status, headers, body } = await ask(`${url}${path}`, { method: name.split(' ')[0], ...options });
    if (!allowed.includes(status)) throw new Error(`${name} ${path}: ${status} ${body}`);
    if (headers.etag && etags.size < 1000) etags.set(path, headers.etag);
    const key = `${name} ${status}`;
    answered.set(key, (answered.get(key) ?? 0) + 1);
  };
  return { request, answered };
}

function perMinute(results) {
  const minutes = Array.from({ length: Math.ceil(MINUTES) }, (_, i) => i);
  const during = (samples, minute) =>
    samples.filter(([at]) => Math.floor(at) === minute).map(([, mib]) => mib);
  return table(
    ['minute', ...results.map(({ name }) => `MiB resident, ${name}`)],
    minutes.map((minute) => [
      String(minute + 1),
      ...results.map(({ samples }) => number(median(during(samples, minute)))),
    ]),
  );
}

/** Files below a folder. Those that begin with a dot are a store's own, and the record of an outbox stays for ever. */
async function filesIn(path) {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(path, join(parentPath, name)))
    .filter((file) => basename(file) !== RECORD && !file.split(sep).some((part) => part.startsWith('.')));
}
