import { join } from 'node:path';
import { randoms } from '../test/support/randoms.mjs';
import { Bucket, hasS3 } from './bucket.mjs';
import { get, scrape, storeCalls } from './http.mjs';
import { RENDITION, preparePopulation } from './population.mjs';
import { startService } from './process.mjs';
import { closedLoop, forEach, number } from './stats.mjs';

const AVATARS = Number(process.env.BENCH_ZIPF_AVATARS ?? 100_000);
const WRITERS = 64;
const READERS = 32;
const SECONDS = 20;
const CACHE_MIB = 128;
const MIB = 1024 * 1024;

/** Many avatars in a bucket, a few of them popular: what reaches the bucket, and what memory it takes. */
export async function measurePopularity({ folder }) {
  const what = `${AVATARS} avatars of mixed popularity in a bucket`;
  if (!hasS3) return [{ what, note: 'not measured: no TEST_S3_ENDPOINT' }];
  const bucket = await Bucket.create();
  const started = performance.now();
  await fill(bucket);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  // To empty it would take as long again.
  console.error(`popularity: filled the bucket ${bucket.name} in ${seconds} s; it is left to you to delete`);
  return read(bucket, what, join(folder, 'popularity'));
}

async function fill(bucket) {
  const objectsOf = await preparePopulation();
  await forEach(AVATARS, WRITERS, async (i) => {
    for (const object of objectsOf(`zipf-${i}`)) await bucket.put(object);
  });
}

async function read(bucket, what, home) {
  const settings = { ...bucket.settings, CACHE_BYTES: String(CACHE_MIB * MIB), AVATAR_WARM_SIZES: '0' };
  const service = await startService(home, settings);
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, service.residentMiB())), 100);
  try {
    const next = zipf(AVATARS);
    const random = randoms(2);
    const wishes = ['', `?size=${RENDITION.size}&format=${RENDITION.format}`];
    let reads = 0;
    const before = await scrape(service);
    const perSecond = await closedLoop(
      async () => {
        await get(`${service.url}/v1/avatars/zipf-${next()}${wishes[random() < 0.5 ? 0 : 1]}`);
        reads++;
      },
      { loops: READERS, seconds: SECONDS },
    );
    const after = await scrape(service);
    const held = after('visage_cache_bytes') / MIB;
    const note = `${reads} GETs, ${number(perSecond)} a second; ${number(held)} MiB of ${CACHE_MIB} in the cache`;
    return [
      { what: `${what}: store calls per GET`, value: (storeCalls(after) - storeCalls(before)) / reads, note },
      {
        what: `${what}: peak MiB resident beyond the cache`,
        value: peak - CACHE_MIB,
        reach: { atMost: 200 },
        note,
      },
    ];
  } finally {
    clearInterval(sampler);
    await service.stop();
  }
}

/** Numbers below `count`, the nth with a probability as 1/n: Zipf's law, exponent 1. The same ones each time. */
function zipf(count) {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) sums[i] = sum += 1 / (i + 1);
  const random = randoms(1);
  return () => {
    const drawn = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
