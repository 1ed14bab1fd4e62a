import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, upload } from './http.mjs';
import { runClient, startService } from './process.mjs';
import { median, number, percentile } from './stats.mjs';
import { ratioRow } from './table.mjs';

const ROUNDS = 3;
const UPLOADERS = 8;
const READING = { perSecond: 250, seconds: 3 };

/** How long readers wait while uploads want every core. */
export async function measureLatency({ folder, photos }) {
  const service = await startService(join(folder, 'latency'));
  try {
    await upload(service, 'read', photos.squares[0]);
    const url = `${service.url}/v1/avatars/read?size=128&format=webp`;
    await get(url);
    const p99 = async () =>
      percentile(await runClient('bench/clients/reader.mjs', { url, ...READING }), 0.99);
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const idle = await p99();
      const { busy, share } = await whileUploading(service, photos.usual, round, async () => {
        // Until what follows on the first uploads is under way as well.
        await sleep(500);
        const before = coreTimes();
        return { busy: await p99(), share: shareBusy(before, coreTimes()) };
      });
      rounds.push({ idle, ratio: busy / idle, share });
    }
    const [idle, share] = ['idle', 'share'].map((figure) => median(rounds.map((round) => round[figure])));
    const note = `idle ${number(idle)} ms; cores ${Math.round(share * 100)}% busy`;
    const ratios = rounds.map(({ ratio }) => ratio);
    return [ratioRow('GET while uploads keep all cores busy: p99 / idle p99', ratios, { atMost: 5 }, note)];
  } finally {
    await service.stop();
  }
}

/** @returns what the task gives, whose time is filled with uploads from its first to its last moment */
async function whileUploading(service, bytes, round, task) {
  let [going, uploads] = [true, 0];
  const loop = async () => {
    while (going) await upload(service, `busy-${round}-${uploads++}`, bytes);
  };
  const done = task().finally(() => (going = false));
  const [result] = await Promise.all([done, ...Array.from({ length: UPLOADERS }, loop)]);
  return result;
}

function coreTimes() {
  const times = cpus().map((core) => core.times);
  const all = times.reduce((sum, each) => sum + Object.values(each).reduce((a, b) => a + b), 0);
  return { all, idle: times.reduce((sum, { idle }) => sum + idle, 0) };
}

function shareBusy(before, after) {
  return 1 - (after.idle - before.idle) / (after.all - before.all);
}
