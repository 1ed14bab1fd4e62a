import { setTimeout as sleep } from 'node:timers/promises';
import { manifestKey, pictureKey, versionOf } from '../../src/model/keys.js';
import { readManifest } from '../../src/model/manifest-format.js';
import { numbered } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import { TORTURE } from '../support/programme.js';
import { type Environment, startService } from '../support/service.js';
import { SECOND_MS, bytesOf, checksums, timesOf } from './support/avatars.js';
import { reportOf } from './support/program.js';

/** In a long programme the shortest that the settings allow, by the real clock; in the gate a clock is handed in. */
const GRACE_MS = TORTURE ? 40_000 : 300_000;
const HISTORY = 2;
const WRITERS = ['user-1', 'user-2', 'user-3'];
/** In the gate. */
const ROUNDS = 2;

let bodies = 0;

describe.each(backends)('gc on $name', (backend) => {
  it('runs again and again beside uploads, and never takes one that was accepted', async () => {
    const environment = {
      ...(await backend.environment()),
      AVATAR_GRACE_MS: String(GRACE_MS),
      AVATAR_HISTORY: String(HISTORY),
    };
    const store = openBackend(environment);
    const service = await startService(environment);
    const gc = async (clock: Environment = {}) =>
      (await reportOf<{ objects: number }>({ ...environment, ...clock }, 'gc')).objects;
    /** By this clock the present objects are just past the grace period, and those written a second later are not. */
    const pastGrace = async () => clockAt((await timesOf(store)).last + 1000 + GRACE_MS);
    const accepted: string[] = [];
    let collected = 0;
    try {
      if (TORTURE) {
        const since = performance.now();
        accepted.push(
          ...(await uploadBeside(service.url, async () => {
            while (performance.now() - since < 3 * GRACE_MS) collected += await gc();
          })),
        );
      } else {
        accepted.push(...(await uploadBeside(service.url, () => Promise.resolve())));
        for (let round = 0; round < ROUNDS; round++) {
          const clock = await pastGrace();
          await sleep(SECOND_MS);
          const versions = await uploadBeside(service.url, async () => {
            collected += await gc(clock);
          });
          accepted.push(...versions);
        }
        expect(collected).toBeGreaterThan(0);
      }
      expect(await service.stop()).toBe(0);

      const named: string[] = [];
      for (const id of WRITERS) {
        const { versions } = readManifest(id, await bytesOf(store, manifestKey(id)));
        for (const { version } of versions) {
          named.push(version);
          expect(await store.exists(pictureKey(id, version, 'master.jpeg'))).toBe(true);
        }
      }
      expect(named.filter((version) => !accepted.includes(version))).toEqual([]);
      collected += await gc(await pastGrace());
      expect(collected).toBeGreaterThan(0);
      const left = Object.keys(await checksums(store))
        .map(versionOf)
        .filter((version) => version !== undefined);
      expect([...new Set(left)].sort()).toEqual(named.sort());
    } finally {
      await service.stop();
    }
  });
});

/**
 * Uploads to each avatar, one after the other, from before a task until after it, and more often than its history holds.
 * @returns the versions that were accepted
 */
async function uploadBeside(url: string, task: () => Promise<void>): Promise<string[]> {
  const accepted: string[] = [];
  let running = true;
  const upload = async (id: string) => {
    for (let i = 0; running || i <= HISTORY; i++) {
      const body = new Uint8Array(await numbered(bodies++));
      const answer = await fetch(`${url}/v1/avatars/${id}`, { method: 'PUT', body });
      expect(answer.status).toBe(201);
      accepted.push(((await answer.json()) as { version: string }).version);
      // The program needs the machine as well.
      await sleep(30);
    }
  };
  const uploads = WRITERS.map(upload);
  const ended = task().finally(() => {
    running = false;
  });
  await Promise.all([...uploads, ended]);
  return accepted;
}
