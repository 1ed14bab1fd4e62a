import { local } from '../support/local.js';
import { SEED, TORTURE } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { startProcess } from '../support/service.js';
import { FORM, type Outgoing, form, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { MUTATIONS, type Random, below, pick } from './support/mutations.js';
import { PICTURES, picture } from './support/pictures.js';

/** How many mutants of each there are: in the gate as many as fit into 300. */
const [PICTURE_MUTANTS, FORM_MUTANTS] = TORTURE ? [2000, 300] : [260, 40];
const CLIENTS = 8;
const MAX_GROWTH_MB = 300;
type Body = Omit<Outgoing, 'path' | 'method'>;

const CONTENT_TYPES = [
  'multipart/form-data',
  'multipart/form-data; boundary',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary=""',
  'multipart/form-data; boundary="',
  `multipart/form-data; boundary=${'b'.repeat(5000)}`,
  'multipart/form-data; boundary=\u00ff',
  'multipart/form-data;;;boundary==;',
  'multipart/mixed; boundary=visage-test-boundary',
  'multipart/form-datax; boundary=visage-test-boundary',
  '',
];

describe('mutants', () => {
  it(`of pictures and forms bring nothing down (seed ${SEED})`, async () => {
    const environment = { ...(await local.environment()), UPLOAD_TIMEOUT_MS: '5000' };
    const harness = await Harness.start(environment, { start: startProcess });
    const valid = await Promise.all(PICTURES.map((name) => picture(name)));
    await harness.takesUploads();
    const filesBefore = (await harness.service.openFiles()).sort();

    let next = 0;
    const client = async () => {
      for (let n = next++; n < PICTURE_MUTANTS + FORM_MUTANTS; n = next++) {
        // A mutant depends on its number only, not on the order in which the clients get to it.
        const random = randoms(SEED + n);
        const mutant = n < PICTURE_MUTANTS ? pictureMutant(valid, random) : formMutant(valid, random);
        await expectSane(harness, n, mutant);
      }
    };
    const all = () => Promise.all(Array.from({ length: CLIENTS }, client));
    expect(await harness.growth(all)).toBeLessThan(MAX_GROWTH_MB);

    expect(harness.service.process.exitCode).toBeNull();
    const { stored } = await harness.traces();
    await harness.cleanAs({ stored, spooled: [], open: filesBefore });
    await harness.takesUploads();
    await harness.stop();
  });
});

async function expectSane(harness: Harness, n: number, mutant: Body): Promise<void> {
  try {
    const answer = await harness.put(`/v1/avatars/mutant-${n % 50}`, mutant);
    if (answer.status === 200 || answer.status === 201) return;
    const { status, code } = problemOf(answer);
    if (status >= 500 && code !== 'busy') throw new Error(`${status} ${code}`);
  } catch (error) {
    throw new Error(`mutant ${n} of the seed ${SEED}`, { cause: error });
  }
}

function pictureMutant(valid: readonly Buffer[], random: Random): Body {
  return { body: mutate(pick(valid, random), random, valid) };
}

function formMutant(valid: readonly Buffer[], random: Random): Body {
  const crop = { name: 'crop', content: '0,0,32,32' };
  const file = { filename: 'me.png', content: pick(valid, random) };
  const whole = form(...pick([[file], [crop, file], [file, crop], [file, file], [crop]], random));
  if (random() < 0.2) return { headers: { 'content-type': pick(CONTENT_TYPES, random) }, body: whole };
  if (random() < 0.4) return { headers: FORM, body: mutate(whole, random, [whole, ...valid]) };
  // Headers and boundaries are a small part of a form: most mutations of the whole would miss them.
  const edge = below(2, random) === 0 ? 130 : whole.length - 60;
  const [start, end] = [whole.subarray(0, edge), whole.subarray(edge)];
  const body = edge === 130 ? [mutate(start, random, valid), end] : [start, mutate(end, random, valid)];
  return { headers: FORM, body: Buffer.concat(body) };
}

function mutate(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let mutant = bytes;
  for (let rounds = 1 + below(3, random); rounds > 0 && mutant.length > 20; rounds--) {
    mutant = pick(MUTATIONS, random)(mutant, random, others);
  }
  return mutant;
}
