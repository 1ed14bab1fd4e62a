// Everything that is measured, in one run, as ratios: absolute times of shared machines mean nothing.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';
import sharp from 'sharp';
import { photo } from '../test/support/photo.mjs';
import { ServerProcess } from './process.mjs';

const ROUNDS = 15;
const MIB = 1024 * 1024;
const agent = new Agent({ keepAlive: true });
const folder = await mkdtemp(join(tmpdir(), 'visage-bench-'));
const rows = [];
// As in the image, see the Dockerfile; bare sharp gets the same from `npm run bench`.
const { MALLOC_ARENA_MAX, UV_THREADPOOL_SIZE } = process.env;
const environment = {
  STORAGE_LOCAL_PATH: join(folder, 'objects'),
  UPLOAD_SPOOL_PATH: join(folder, 'spool'),
  MALLOC_ARENA_MAX,
  UV_THREADPOOL_SIZE,
};
const service = await ServerProcess.start(['dist/main.js'], environment);
try {
  await measureUpload();
  await measureReads();
  await measureMemory();
} finally {
  service.stop();
  await rm(folder, { recursive: true });
}
console.table(rows);

async function measureUpload() {
  const path = join(folder, 'photo.jpeg');
  const bytes = await photo(4000, 3000, { detail: 0.72, quality: 95 });
  await writeFile(path, bytes);
  sharp.cache(false);
  const bare = () =>
    sharp(path)
      .autoOrient()
      .resize(1024, 1024, { fit: 'cover', position: sharp.strategy.attention })
      .jpeg({ quality: 90 })
      .toBuffer();
  let uploads = 0;
  const upload = async () => {
    const status = await put(`${service.url}/v1/avatars/upload-${uploads++}`, bytes);
    if (status !== 201) throw new Error(`upload: ${status}`);
  };
  const what = `upload of a 12-megapixel JPEG of ${(bytes.length / MIB).toFixed(1)} MiB`;
  await compare(`${what}, alone: time / bare sharp`, upload, bare);
  const atOnce = (task) => () => Promise.all(Array.from({ length: 8 }, task));
  await compare(`${what}, 8 at once: time / bare sharp`, atOnce(upload), atOnce(bare));
}

async function compare(what, own, bare) {
  const ratios = [];
  for (let i = -2; i < ROUNDS; i++) {
    const alone = await timed(bare);
    const ratio = (await timed(own)) / alone;
    // The first rounds warm up.
    if (i >= 0) ratios.push(ratio);
  }
  add(what, median(ratios), 'at most 1.15', spread(ratios));
}

async function measureReads() {
  await measureRead('GET of a master', '/v1/avatars/upload-0');
  await measureRead('GET of a 256 px rendition', '/v1/avatars/upload-0?size=256&format=webp');
}

async function measureRead(name, path) {
  const target = `${service.url}${path}`;
  const { byteLength } = await (await fetch(target)).arrayBuffer();
  const what = `${name} of ${(byteLength / 1024).toFixed(0)} KiB`;
  const bare = await ServerProcess.start(['bench/bare-fastify.mjs'], { SOURCE: target });
  try {
    const throughput = [];
    const cpu = [];
    for (let i = 0; i < 4; i++) {
      const reference = await load(bare, `${bare.url}/picture`);
      const own = await load(service, target);
      // The first round warms both up.
      if (i === 0) continue;
      throughput.push(own.perSecond / reference.perSecond);
      cpu.push(reference.cpuPerRequest / own.cpuPerRequest);
    }
    add(
      `${name}, requests per second / bare Fastify`,
      median(throughput),
      'at least 0.5',
      spread(throughput),
    );
    add(`${what}, requests per CPU second / bare Fastify`, median(cpu), 'at least 0.5', spread(cpu));
  } finally {
    bare.stop();
  }
}

async function load(server, url) {
  const before = server.cpuMs();
  const result = await autocannon({ url, connections: 32, duration: 5 });
  if (result.non2xx > 0 || result.errors > 0) throw new Error(`${url}: ${result.non2xx} other answers`);
  return {
    perSecond: result.requests.total / result.duration,
    cpuPerRequest: (server.cpuMs() - before) / result.requests.total,
  };
}

async function measureMemory() {
  const fresh = await ServerProcess.start(['dist/main.js'], environment);
  try {
    const bytes = await largePhoto();
    // Idle is the process after its first upload: with its libraries loaded.
    await fetch(`${fresh.url}/v1/avatars/first`, { method: 'PUT', body: bytes });
    const idle = fresh.residentMiB();
    let peak = idle;
    const sampler = setInterval(() => (peak = Math.max(peak, fresh.residentMiB())), 10);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        fetch(`${fresh.url}/v1/avatars/crowd-${i}`, { method: 'PUT', body: bytes }).then(
          ({ status }) => status,
        ),
      ),
    );
    clearInterval(sampler);
    const [taken, busy] = [201, 503].map((status) => answers.filter((answer) => answer === status).length);
    if (taken + busy !== answers.length) throw new Error(`200 uploads: ${answers}`);
    const note = `of ${(bytes.length / MIB).toFixed(1)} MiB each: ${taken} x 201, ${busy} x 503; idle ${idle.toFixed(0)} MiB`;
    add('200 concurrent uploads, MiB above idle', peak - idle, 'at most 256', note);
  } finally {
    fresh.stop();
  }
}

/** 12 megapixels in almost 5 MiB, the largest upload by default. */
async function largePhoto() {
  for (let quality = 98; ; quality--) {
    const bytes = await photo(4000, 3000, { detail: 0.72, quality });
    if (bytes.length <= 5 * MIB) return bytes;
  }
}

/** By node:http: fetch itself would take a tenth of the time. */
function put(url, bytes) {
  return new Promise((resolve, reject) => {
    const options = { method: 'PUT', agent, headers: { 'Content-Length': bytes.length } };
    request(url, options, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)))
      .on('error', reject)
      .end(bytes);
  });
}

async function timed(task) {
  const started = performance.now();
  await task();
  return performance.now() - started;
}

function add(what, value, reach, note) {
  rows.push({ what, value: Number(value.toFixed(2)), 'to reach': reach, note });
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function spread(values) {
  return `${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`;
}
