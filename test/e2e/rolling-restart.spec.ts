import { setTimeout as sleep } from 'node:timers/promises';
import { uniquePng } from '../http/support/pictures.js';
import { backends } from '../support/backends.js';
import { Cluster, type ClusterAnswer, type ClusterRequest } from '../support/cluster.js';
import { TORTURE, sliceOf } from '../support/programme.js';

const REPLICAS = 3;
const WORKERS = TORTURE ? 4 : 2;

/** Starting so many processes takes long: `npm test` does it on one backend. */
const chosen = sliceOf(backends, (backend) => backend === backends.at(-1));

describe.each(chosen)('a rolling restart of three replicas on $name, under load', (backend) => {
  let cluster: Cluster;

  beforeAll(async () => {
    const environment = { ...(await backend.environment()), AVATAR_HISTORY: '1000', CACHE_MAX_AGE_MS: '0' };
    cluster = await Cluster.start(Array.from({ length: REPLICAS }, () => environment));
  });
  afterAll(() => cluster.stop());

  it('loses no upload, and a single retry is enough for every request', async () => {
    const failures: string[] = [];
    const retried: string[] = [];
    const accepted = new Map<string, string[]>();
    let turn = 0;
    let restarted = false;

    const underWay = new Set<Promise<unknown>>();
    const ask = async (request: ClusterRequest): Promise<ClusterAnswer | undefined> => {
      const asking = balance(request);
      underWay.add(asking);
      try {
        return await asking;
      } finally {
        underWay.delete(asking);
      }
    };
    /** A tiny load balancer: takes the replicas in turn, and the next one if a connection fails or the answer is 503. */
    const balance = async (request: ClusterRequest): Promise<ClusterAnswer | undefined> => {
      const replica = turn++;
      const once = async (next: number): Promise<ClusterAnswer | string> => {
        try {
          const answer = await cluster.ask(next % REPLICAS, request);
          return answer.status === 503 ? '503' : answer;
        } catch (error) {
          return String(error);
        }
      };
      const first = await once(replica);
      if (typeof first === 'object') return first;
      retried.push(first);
      const second = await once(replica + 1);
      if (typeof second === 'object') return second;
      failures.push(`${first}, then ${second}`);
      return undefined;
    };

    const work = async (worker: number) => {
      const path = `/v1/avatars/worker-${worker}`;
      for (let i = 0; !restarted; i++) {
        const body = await uniquePng(`${worker} ${i}`);
        const uploaded = await ask({ method: 'PUT', path, body });
        if (uploaded === undefined) continue;
        if (uploaded.status !== 201) failures.push(`upload: ${uploaded.status}`);
        else accepted.set(path, [...(accepted.get(path) ?? []), String(uploaded.body?.['version'])]);
        const read = await ask({ path: `${path}/info` });
        if (read && read.status !== 200) failures.push(`info: ${read.status}`);
      }
    };
    /** Waits until a request has found the replica away. */
    const missed = async () => {
      const before = retried.length;
      while (retried.length === before) await sleep(10);
    };
    const restartAll = async () => {
      const codes: (number | null)[] = [];
      try {
        for (let replica = 0; replica < REPLICAS; replica++) {
          codes.push(await cluster.restart(replica, 'SIGTERM', missed));
          // The second try of a request that met this restart is not to meet the next one.
          await Promise.all(underWay);
        }
      } finally {
        restarted = true;
      }
      return codes;
    };
    const [codes] = await Promise.all([restartAll(), ...Array.from({ length: WORKERS }, (_, i) => work(i))]);

    expect(codes).toEqual([0, 0, 0]);
    expect(failures).toEqual([]);
    // Else nothing was asked while a replica was away.
    expect(retried.length).toBeGreaterThan(0);
    expect(accepted.size).toBe(WORKERS);
    for (const [path, versions] of accepted) {
      const { body } = await cluster.ask(0, { path: `${path}/versions` });
      const kept = ((body?.['versions'] ?? []) as { version: string }[]).map(({ version }) => version);
      expect(kept).toEqual(expect.arrayContaining(versions));
      expect(body?.['current']).toBe(versions.at(-1));
    }
  });
});
