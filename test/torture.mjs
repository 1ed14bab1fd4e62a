// The long programmes, one at a time: `npm run torture -- NAME [--seed N]`. docs/durability.md says what each proves.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runTests } from './runner/session.mjs';

/** The test files of each. A part of each runs in `npm test`. */
const PROGRAMMES = {
  'faults-store': ['test/faults/store.spec.ts'],
  'faults-service': ['test/faults/service.spec.ts'],
  'crash-points': ['test/crash/points'],
  'random-kills': ['test/crash/random-kills.spec.ts'],
  consistency: ['test/consistency/replicas.spec.ts'],
  migration: ['test/cli/migrate.live.spec.ts', 'test/cli/import.spec.ts'],
  collection: ['test/cli/gc.live.spec.ts'],
  properties: [
    'test/avatars/manifest.spec.ts',
    'test/placeholders/assets.spec.ts',
    'test/http/openapi.spec.ts',
  ],
  reads: [
    'test/delivery/random-reads.spec.ts',
    'test/delivery/changes-among-reads.spec.ts',
    'test/delivery/memory.spec.ts',
    'test/delivery/default-pictures.spec.ts',
  ],
  replicas: [
    'test/e2e/rolling-restart.spec.ts',
    'test/http/aliases.spec.ts',
    'test/contract',
    'test/storage',
  ],
  erasures: ['test/delivery/erasures-among-reads.spec.ts'],
  fuzzing: ['test/http/mutants.spec.ts'],
  deadlines: ['test/http/stalls.spec.ts', 'test/http/s3-away.spec.ts', 'test/storage/guarded.store.spec.ts'],
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: 'string' } } });
const [name = ''] = positionals;
const specs = Object.hasOwn(PROGRAMMES, name) ? PROGRAMMES[name] : undefined;
if (specs === undefined || positionals.length !== 1) {
  console.error(`usage: npm run torture -- NAME [--seed N]\nNAME: ${Object.keys(PROGRAMMES).join(', ')}`);
  process.exitCode = 2;
} else {
  const seed = values.seed ?? String(randomInt(2 ** 31));
  console.log(`seed ${seed}: npm run torture -- ${name} --seed ${seed}`);
  const started = performance.now();
  await runTests([...specs, '--runInBand', '--verbose'], {
    environment: { TORTURE: name, TEST_SEED: seed },
  });
  console.log(`${name}, seed ${seed}: ${Math.round((performance.now() - started) / 1000)} s`);
}
