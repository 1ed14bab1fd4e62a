// Everything that is measured, in one run, as ratios: absolute times of shared machines mean nothing.
// Arguments name what to measure, such as `npm run bench -- reads cold`; without any, all of it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCalls } from './calls.mjs';
import { measureCold } from './cold.mjs';
import { measureLatency } from './latency.mjs';
import { measurePeers } from './peers.mjs';
import { makePhotos } from './pictures.mjs';
import { measurePopularity } from './popularity.mjs';
import { measureReads } from './reads.mjs';
import { resultTable } from './table.mjs';
import { measureCrowd, measureUploads } from './upload.mjs';

const SUBJECTS = {
  reads: measureReads,
  cold: measureCold,
  latency: measureLatency,
  uploads: measureUploads,
  calls: measureCalls,
  peers: measurePeers,
  popularity: measurePopularity,
  crowd: measureCrowd,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(SUBJECTS, name));
if (unknown.length > 0) throw new Error(`${unknown} is none of ${Object.keys(SUBJECTS)}`);

const folder = await mkdtemp(join(tmpdir(), 'visage-bench-'));
const rows = [];
try {
  const photos = await makePhotos();
  for (const name of asked.length > 0 ? asked : Object.keys(SUBJECTS)) {
    const started = performance.now();
    rows.push(...(await SUBJECTS[name]({ folder, photos })));
    console.error(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
} finally {
  // What was measured before a failure is worth reading too.
  if (rows.length > 0) console.log(resultTable(rows));
  await rm(folder, { recursive: true });
}
