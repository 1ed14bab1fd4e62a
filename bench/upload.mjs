import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pictureKey } from '../dist/model/keys.js';
import { bareMaster } from './bare-master.mjs';
import { ask, upload } from './http.mjs';
import { ALIKE, ServerProcess, startService } from './process.mjs';
import { closedLoop, forEach, interleave, median, number } from './stats.mjs';
import { ratioRow } from './table.mjs';

const ROUNDS = 31;
/** Small uploads before any is measured: servers that are up for days are compiled by then, as sharp always is. Few would not do. */
const WARMUPS = 300;
const LOOP_ROUNDS = 4;
const LOOP_SECONDS = 4;
const LOOPS = 8;
const CROWD = 200;
const MIB = 1024 * 1024;
/** How often it is looked whether a server still works, and for how long at most, in ms. */
const [CALM_MS, CALM_WITHIN_MS] = [300, 20_000];

/** A picture of a phone taken in, against a bare server that keeps what it makes, and bare sharp making the same master. */
export async function measureUploads({ folder, photos }) {
  const home = join(folder, 'upload');
  // Nothing more than the master: the others make nothing more either, and would wait for what is made in the background.
  const service = await startService(home, { AVATAR_WARM_SIZES: '0' });
  const warming = await startService(join(home, 'warming'));
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
    const uploadTo = (server, picture) => upload(server, `upload-${uploads++}`, picture);
    const own = () => uploadTo(service, photos.usual);
    const keeping = () => uploadTo(bare, photos.usual);
    const sharpAlone = () => bareMaster(source);
    for (const server of [service, warming, bare]) {
      await forEach(WARMUPS, LOOPS, () => uploadTo(server, photos.squares[0]));
      await calm(server);
    }
    const size = `12 megapixels, ${number(photos.usual.length / MIB)} MiB`;
    const alone = await interleave({ own, other: keeping, rounds: ROUNDS });
    const alsoAlone = await interleave({ own, other: sharpAlone, rounds: ROUNDS });
    const least = await interleave({ own: keeping, other: sharpAlone, rounds: ROUNDS });
    const together = await throughputs(
      { own, keeping, sharpAlone, warming: () => uploadTo(warming, photos.usual) },
      () => calm(warming),
    );
    const bareServer = 'a bare server that keeps the same master';
    const crowd = `${LOOPS} clients uploading: throughput`;
    const loopNote = `${size}; ${number(median(together.own))} a second`;
    const ratios = (one, other) => together[one].map((perSecond, i) => perSecond / together[other][i]);
    return [
      ratioRow(`upload alone: time / ${bareServer}`, alone.ratios, { atMost: 1.1 }, ofMedians(alone, size)),
      ratioRow('upload alone: time / bare sharp', alsoAlone.ratios, undefined, ofMedians(alsoAlone, size)),
      ratioRow(`${bareServer}: time / bare sharp`, least.ratios, undefined, ofMedians(least, size)),
      ratioRow(
        `${crowd} of ${bareServer} / the service's`,
        ratios('keeping', 'own'),
        { atMost: 1.1 },
        loopNote,
      ),
      ratioRow(
        `${crowd} of bare sharp in ${LOOPS} loops / the service's`,
        ratios('sharpAlone', 'own'),
        undefined,
        loopNote,
      ),
      ratioRow(
        `${crowd} without warming / with warming`,
        ratios('own', 'warming'),
        { atMost: 1.05 },
        loopNote,
      ),
    ];
  } finally {
    for (const server of [service, warming, bare]) await server.stop();
  }
}

function ofMedians({ own, other }, size) {
  const [ours, theirs] = [median(own), median(other)];
  return `${size}; ${number(ours)} and ${number(theirs)} ms, ratio of the medians ${number(ours / theirs)}`;
}

/** @returns for each task, how often a second it ended in each round; every round begins with another one */
async function throughputs(tasks, settle) {
  const results = Object.fromEntries(Object.keys(tasks).map((name) => [name, []]));
  const entries = Object.entries(tasks);
  for (let round = 0; round < LOOP_ROUNDS; round++) {
    for (let i = 0; i < entries.length; i++) {
      const [name, task] = entries[(round + i) % entries.length];
      results[name].push(await closedLoop(task, { loops: LOOPS, seconds: LOOP_SECONDS }));
      await settle();
    }
  }
  return results;
}

/** Waits until a server has done what it does in the background. */
async function calm(server) {
  const giveUp = performance.now() + CALM_WITHIN_MS;
  for (let before = -Infinity; server.cpuMs() - before > CALM_MS / 10;) {
    if (performance.now() > giveUp) throw new Error(`${server.url} does not come to rest`);
    before = server.cpuMs();
    await sleep(CALM_MS);
  }
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
