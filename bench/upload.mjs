import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pictureKey } from '../dist/model/keys.js';
import { bareMaster } from './bare-master.mjs';
import { ask, upload } from './http.mjs';
import { ALIKE, ServerProcess, startService } from './process.mjs';
import { closedLoop, interleave, median, number } from './stats.mjs';
import { ratioRow } from './table.mjs';

const ROUNDS = 31;
/** Uploads before any is measured: a service that is up for days is compiled by then, as bare sharp always is. */
const WARMUPS = 50;
const LOOP_ROUNDS = 2;
const LOOP_SECONDS = 10;
const LOOPS = 8;
const CROWD = 200;
const MIB = 1024 * 1024;

/** A picture of a phone taken in, against bare sharp making the same master, and a bare server that keeps what it makes. */
export async function measureUploads({ folder, photos }) {
  const home = join(folder, 'upload');
  // Nothing more than the master: bare sharp makes nothing more either, and would wait for what is made in the background.
  const service = await startService(home, { AVATAR_WARM_SIZES: '0' });
  const kept = join(home, 'bare');
  await mkdir(kept);
  const bare = await ServerProcess.start('bench/servers/bare-upload.mjs', { ...ALIKE, FOLDER: kept });
  try {
    const source = join(home, 'photo.jpeg');
    await writeFile(source, photos.usual);
    const version = await upload(service, 'first', photos.usual);
    await assertSame(
      join(home, 'objects', pictureKey('first', version, 'master.jpeg')),
      await bareMaster(source),
    );

    let uploads = 0;
    const own = () => upload(service, `upload-${uploads++}`, photos.usual);
    const other = () => bareMaster(source);
    const keeping = () => upload(bare, 'any', photos.usual);
    for (let warmup = 0; warmup < WARMUPS; warmup++) {
      await own();
      await keeping();
    }
    const size = `12 megapixels, ${number(photos.usual.length / MIB)} MiB`;
    const alone = await interleave({ own, other, rounds: ROUNDS });
    const least = await interleave({ own: keeping, other, rounds: ROUNDS });
    const beside = await interleave({ own, other: keeping, rounds: ROUNDS });
    const ofMedians = median(alone.own) / median(alone.other);
    return [
      ratioRow('upload alone: time / bare sharp', alone.ratios, { atMost: 1.15 }, size),
      { what: 'upload alone: ratio of the medians', value: ofMedians, reach: { atMost: 1.15 }, note: size },
      ratioRow('a bare server that keeps the same master: time / bare sharp', least.ratios, undefined, size),
      ratioRow(
        'upload alone: time / a bare server that keeps the same master',
        beside.ratios,
        undefined,
        size,
      ),
      ratioRow(
        `${LOOPS} clients uploading: throughput of bare sharp in ${LOOPS} loops / the service's`,
        await compareThroughput(own, other),
        { atMost: 1.15 },
        `${size}; ${LOOP_SECONDS} s each`,
      ),
    ];
  } finally {
    await service.stop();
    await bare.stop();
  }
}

async function compareThroughput(own, other) {
  const loops = { loops: LOOPS, seconds: LOOP_SECONDS };
  const ratios = [];
  for (let round = 0; round < LOOP_ROUNDS; round++) {
    const perSecond = {};
    const tasks = [
      ['own', own],
      ['other', other],
    ];
    for (const [name, task] of round % 2 === 0 ? tasks : tasks.toReversed()) {
      perSecond[name] = await closedLoop(task, loops);
    }
    ratios.push(perSecond.other / perSecond.own);
  }
  return ratios;
}

async function assertSame(path, bytes) {
  if (!(await readFile(path)).equals(bytes))
    throw new Error('bare sharp makes another master than the service');
}

/** As many uploads at once as a service of default settings takes, and what memory that takes. */
export async function measureCrowd({ folder, photos: { largest } }) {
  const home = join(folder, 'crowd');
  await mkdir(home);
  const service = await startService(home);
  try {
    // Idle is the process after its first upload: with its libraries loaded.
    await upload(service, 'first', largest);
    const idle = service.residentMiB();
    let peak = idle;
    const sampler = setInterval(() => (peak = Math.max(peak, service.residentMiB())), 10);
    const answers = await Promise.all(
      Array.from({ length: CROWD }, (_, i) =>
        ask(`${service.url}/v1/avatars/crowd-${i}`, { method: 'PUT', body: largest }),
      ),
    ).finally(() => clearInterval(sampler));
    const [taken, busy] = [201, 503].map(
      (status) => answers.filter((answer) => answer.status === status).length,
    );
    if (taken + busy !== CROWD)
      throw new Error(`uploads were answered ${answers.map(({ status }) => status)}`);
    const size = number(largest.length / MIB);
    const note = `${size} MiB each: ${taken} x 201, ${busy} x 503; idle ${number(idle)} MiB`;
    const what = `${CROWD} concurrent uploads: MiB above idle`;
    return [{ what, value: peak - idle, reach: { atMost: 256 }, note }];
  } finally {
    await service.stop();
  }
}
