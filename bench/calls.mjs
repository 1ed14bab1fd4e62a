import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BucketProxy } from './bucket-proxy.mjs';
import { Bucket, hasS3 } from './bucket.mjs';
import { ask, get, upload } from './http.mjs';
import { smallPhotos } from './population.mjs';
import { startService } from './process.mjs';
import { median, number, timed } from './stats.mjs';
import { ratioRow } from './table.mjs';

/** Avatars that are counted, one after the other. */
const COUNTED = 5;
/** Avatars that are timed, in turn with and without a delay; the first ones warm up. */
const TIMED = 30;
const WARMUPS = 10;
const DELAY_MS = 25;
/** The calls of a request are over when none has come for so long, in ms. */
const QUIET_MS = 100;
/** More than CACHE_MAX_AGE_MS is by default. */
const AGED_MS = 1100;

/** How many calls to the bucket a request costs, what follows on it included; and what slow calls add to it. */
export async function measureCalls({ folder, photos }) {
  const what = 'calls to the bucket, and calls that take longer';
  if (!hasS3) return [{ what, note: 'not measured: no TEST_S3_ENDPOINT' }];
  const bucket = await Bucket.create();
  const proxy = await BucketProxy.start(bucket.settings.STORAGE_S3_ENDPOINT);
  const settings = { ...bucket.settings, STORAGE_S3_ENDPOINT: proxy.url, AVATAR_WARM_SIZES: '0' };
  const writer = await startService(join(folder, 'calls', 'writer'), settings);
  // One that has none of what the other keeps in memory.
  const reader = await startService(join(folder, 'calls', 'reader'), settings);
  try {
    return [
      ...(await countCalls(proxy, writer, reader)),
      ...(await timeSlowCalls(proxy, writer, reader, photos.squares)),
    ];
  } finally {
    await writer.stop();
    await reader.stop();
    proxy.stop();
    await bucket.destroy();
  }
}

async function countCalls(proxy, writer, reader) {
  const [first, second] = await smallPhotos();
  const avatar = (service, i) => `${service.url}/v1/avatars/counted-${i}`;
  const rendition = (service, i) => `${avatar(service, i)}?size=64&format=webp`;
  const expectStatus = async (wanted, url, options) => {
    const { status, body } = await ask(url, options);
    if (status !== wanted) throw new Error(`${url}: ${status} ${body}`);
  };
  // In this order: each needs what those before it left.
  const requests = [
    ['first upload', 3, (i) => upload(writer, `counted-${i}`, first)],
    ['replacing upload', 3, (i) => upload(writer, `counted-${i}`, second)],
    ['cold rendition', 5, (i) => get(rendition(reader, i))],
    ['hot read within the age', 0, (i) => get(rendition(reader, i)), (i) => get(rendition(reader, i))],
    ['hot read after the age', 1, (i) => get(rendition(reader, i)), () => sleep(AGED_MS)],
    ['absent id', 1, (i) => expectStatus(404, `${reader.url}/v1/avatars/absent-${i}?default=404`)],
    ['delete', 2, (i) => expectStatus(204, avatar(writer, i), { method: 'DELETE' })],
    [
      'erasure of one version and one rendition',
      4,
      (i) => expectStatus(200, `${avatar(writer, `erased-${i}`)}?erase=true`, { method: 'DELETE' }),
      async (i) => {
        await upload(writer, `counted-erased-${i}`, first);
        await get(rendition(writer, `erased-${i}`));
      },
    ],
  ];
  const rows = [];
  for (const [name, atMost, request, prepare = () => {}] of requests) {
    const counts = [];
    let calls = [];
    for (let i = 0; i < COUNTED; i++) {
      await proxy.quiet(QUIET_MS);
      await prepare(i);
      // A hot read has to come before the age is over.
      if (atMost > 0) await proxy.quiet(QUIET_MS);
      const before = proxy.calls.length;
      await request(i);
      await proxy.quiet(QUIET_MS);
      calls = proxy.calls.slice(before);
      counts.push(calls.length);
    }
    rows.push({
      what: `calls to the bucket: ${name}`,
      value: Math.max(...counts),
      reach: { atMost },
      note: kindsOf(calls),
    });
  }
  return rows;
}

function kindsOf(calls) {
  return calls.map((call) => call.replace(/\/.*$/, '')).join(', ');
}

async function timeSlowCalls(proxy, writer, reader, squares) {
  const tasks = [
    ['upload', (i) => upload(writer, `timed-${i}`, squares[i % squares.length])],
    ['first GET', (i) => get(`${reader.url}/v1/avatars/timed-${i}?size=256&format=webp`)],
  ];
  const rows = [];
  for (const [name, task] of tasks) {
    const [fast, slow, calls] = [[], [], []];
    for (let i = 0; i < WARMUPS + TIMED; i++) {
      const delayed = i % 2 === 1;
      await proxy.quiet(QUIET_MS);
      proxy.delayMs = delayed ? DELAY_MS : 0;
      const before = proxy.calls.length;
      const time = await timed(() => task(i));
      // Those that nobody waits for do not count.
      const waitedFor = proxy.calls.length - before;
      await proxy.quiet(QUIET_MS);
      proxy.delayMs = 0;
      if (i < WARMUPS) continue;
      if (delayed) calls.push(waitedFor);
      (delayed ? slow : fast).push(time);
    }
    const [without, count] = [median(fast), median(calls)];
    const ratios = slow.map((time) => time / (count * DELAY_MS + without));
    const note = `${count} calls before the answer; ${number(without)} ms without delay, ${number(median(slow))} ms with`;
    const what = `${name}, ${DELAY_MS} ms added to each call: time / (calls x ${DELAY_MS} ms + time without)`;
    rows.push(ratioRow(what, ratios, { atMost: 1.1 }, note));
  }
  return rows;
}
