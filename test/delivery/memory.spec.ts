import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { type Outgoing, send } from '../http/support/client.js';
import { noise } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { MEASURED, heldBy } from '../support/memory.js';
import { TORTURE, sliceOf } from '../support/programme.js';
import { type RunningService, startService } from '../support/service.js';

const MIB = 1024 * 1024;
const AT_ONCE = 32;
const FOLLOWERS = TORTURE ? 1200 : 400;
const SHOWN = '/v1/avatars/shown';

/** What a process may hold beside the caches, since compiled code and the like come and go. */
const NOISE = 4 * MIB;

/** Requests that are all different. What is held for one of them must go when others come. */
interface Attack {
  name: string;
  /** So many that, kept, they would be more than the smallest budget and the noise. */
  requests: number;
  /** Takes longer than the gate has time for. */
  isSlow?: true;
  status: number;
  /** Requests at the same time. */
  atOnce?: number;
  make: (i: number) => Omit<Outgoing, 'agent'>;
}

const ALL_ATTACKS: Attack[] = [
  {
    name: 'values of Accept',
    requests: TORTURE ? 65_536 : 4096,
    status: 200,
    make: (i) => ({ path: `${SHOWN}?size=16`, headers: { accept: `image/webp, image/${text(i, 1900)}` } }),
  },
  {
    name: 'queries',
    requests: TORTURE ? 32_768 : 4096,
    status: 200,
    make: (i) => ({ path: `${SHOWN}?size=16&format=webp&x=${text(i, 1900)}` }),
  },
  {
    name: 'drawings',
    requests: 1024,
    isSlow: true,
    status: 200,
    make: (i) => ({ path: `/v1/avatars/nobody?default=robohash&size=384&format=png&color=${text(i, 6)}` }),
  },
  {
    name: 'ids',
    requests: 32_768,
    isSlow: true,
    status: 404,
    make: (i) => ({ path: `/v1/avatars/${text(i, 80)}` }),
  },
  {
    name: 'thousands of ids',
    requests: TORTURE ? 64 : 30,
    status: 200,
    atOnce: 2,
    make: (i) => ({
      method: 'POST',
      path: '/v1/avatars/lookup',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ids: Array.from({ length: 1000 }, (_, j) => text(1000 * i + j, 80)) }),
    }),
  },
];
const ATTACKS = sliceOf(ALL_ATTACKS, ({ isSlow }) => !isSlow);

/** A text of so many characters, another one for each number. */
function text(i: number, length: number): string {
  let all = '';
  for (let part = 0; all.length < length; part++) {
    all += createHash('sha512').update(`${i} ${part}`).digest('hex');
  }
  return all.slice(0, length);
}

describe.each(sliceOf([2, 8, 128], (budget) => budget === 2))('with CACHE_BYTES of %d MiB', (budget) => {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let service: RunningService;
  /** What the service held after its first few requests. */
  let before: number;

  beforeAll(async () => {
    service = await startService({
      ...(await local.environment()),
      ...MEASURED,
      CACHE_BYTES: String(budget * MIB),
      CACHE_MAX_AGE_MS: '3600000',
      AVATAR_WARM_SIZES: '0',
    });
    expectStatus(201, await new AvatarClient(service.url, 'shown').upload(await numbered(1)));
    for (const attack of ATTACKS) await run(attack, -Math.ceil(attack.requests / 32), 0);
    before = await heldBy(service);
  });
  afterAll(async () => {
    agent.destroy();
    await service.stop();
  });

  /** Sends requests from `from` to `to`, a few at a time. */
  const run = async ({ make, status, atOnce = AT_ONCE }: Attack, from: number, to: number) => {
    let next = from;
    const loop = async () => {
      while (next < to) expectStatus(status, await send(service.url, { ...make(next++), agent }));
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
  };
  const expectWithinBudget = async () => {
    expect((await heldBy(service)) - before).toBeLessThan(budget * MIB + NOISE);
  };

  it.each(ATTACKS)('$requests different $name are not kept', async (attack) => {
    await run(attack, 0, attack.requests);
    await expectWithinBudget();
  });

  it(`${FOLLOWERS} requests that wait for the same picture leave nothing behind`, async () => {
    const client = new AvatarClient(service.url, 'followed');
    for (let round = 0; round < 3; round++) {
      expectStatus(
        201,
        await client.upload(
          await noise(600 + round, 600)
            .jpeg()
            .toBuffer(),
        ),
      );
      const ask = () => client.get('?size=512&format=jpeg');
      const answers = await Promise.all(Array.from({ length: FOLLOWERS }, ask));
      for (const answer of answers) expectStatus(200, answer);
    }
    await expectWithinBudget();
  });
});
