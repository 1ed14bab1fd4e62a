import { readManifest } from '../../src/model/manifest-format.js';
import type { Manifest } from '../../src/model/manifest.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { Cluster } from '../support/cluster.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { SEED, TORTURE } from '../support/programme.js';
import { type TestS3, createBucket, storeOptions, testS3 } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';
import type { Environment } from '../support/service.js';
import { type Operation, contradictions } from './checker.js';
import { Clients, type Mix } from './clients.js';

interface Scale {
  rounds: number;
  replicas: number;
  writers: number;
  readers: number;
  /** A round ends when this many uploads were accepted. */
  uploads: number;
  /** How many replicas are killed in a round, evenly spread over its uploads. */
  kills: number;
}

const GATE = { rounds: 1, replicas: 2, writers: 20, readers: 4, uploads: 40, kills: 1 };
const LONG = { rounds: 2, replicas: 3, writers: 100, readers: 6, uploads: 200, kills: 3 };
const { rounds, replicas, writers, readers, uploads, kills }: Scale = {
  ...(TORTURE ? LONG : GATE),
  ...(process.env['CONSISTENCY_ROUNDS'] && { rounds: Number(process.env['CONSISTENCY_ROUNDS']) }),
};

/** The most versions that the service keeps. A round stays below. */
const HISTORY = 1000;

const TEST_TIMEOUT_MS = 600_000 * rounds;

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

if (testS3) {
  const s3 = testS3;
  it(
    `${replicas} replicas on two endpoints, with ${kills} kills a round, never contradict what ${writers} writers saw`,
    async () => {
      const bucket = await createBucket(s3);
      const cluster = await open(environmentsOn(s3, bucket));
      const store = new S3Store(storeOptions(s3, bucket));
      for (let round = 1; round <= rounds; round++) {
        const clients = new Clients(cluster, `round-${round}`, SEED + round * writers);
        running.push(clients);
        const played = play(clients, { restores: 0.15, deletes: 0.15 });
        await Promise.all([played, killReplicas(cluster, clients)]);
        const { history, surprises } = clients;
        const manifest = await manifestOf(store, `round-${round}`);
        console.log(`round ${round}: ${summary(history)}`);
        expect(surprises).toEqual([]);
        expect(manifest.versions.length).toBeLessThan(HISTORY);
        expect(contradictions(history, manifest)).toEqual([]);
        expect(history.filter(isAccepted).length).toBeGreaterThan(writers / 2);
        await agree(cluster, store, manifest);
      }
    },
    TEST_TIMEOUT_MS,
  );
}

it(
  `${replicas} replicas on a server that ignores preconditions lose uploads, and the checker notices`,
  async () => {
    const { stop, ...s3 } = await startS3rver();
    running.push({ stop });
    const proxy = await FaultProxy.start(s3.endpoint);
    running.push(proxy);
    const bucket = await createBucket(s3);
    const [first, ...others] = environmentsOn(s3, bucket);
    const cluster = await open([{ ...first, STORAGE_S3_ENDPOINT: proxy.url }, ...others]);
    const store = new S3Store(storeOptions(s3, bucket));
    const clients = new Clients(cluster, 'lossy', SEED);
    running.push(clients);
    // What the first replica makes of the manifest arrives when the second one has had an upload accepted that it does not know.
    const late = proxy.hold({ operation: 'PutObject', key: 'manifests/lossy.json' });
    const overtaken = clients.upload(0);
    const held = await Promise.race([late, overtaken.then(fail('the upload ended before its manifest'))]);
    await clients.upload(1);
    held.pass();
    await overtaken;
    if (TORTURE) await play(clients, { restores: 0, deletes: 0 });
    const { history } = clients;
    const manifest = await manifestOf(store, 'lossy');
    expect(history.filter(isAccepted).length).toBeGreaterThan(manifest.versions.length);
    expect(contradictions(history, manifest).join('\n')).toMatch(/the upload \S+ is lost/);
    expect(cluster.logs()).toContain('run ONE replica only');
  },
  TEST_TIMEOUT_MS,
);

/** Ends a test that would wait in vain. */
function fail(reason: string) {
  return (): never => {
    throw new Error(reason);
  };
}

async function open(environments: Environment[]): Promise<Cluster> {
  const cluster = await Cluster.start(environments);
  running.push(cluster);
  return cluster;
}

/** Runs writers and readers until enough uploads were accepted and all requests have ended. */
async function play(clients: Clients, mix: Mix): Promise<void> {
  await Promise.all([
    ...Array.from({ length: writers }, (_, writer) => clients.write(writer, mix, uploads)),
    ...Array.from({ length: readers }, (_, reader) => clients.read(reader, uploads)),
  ]);
}

async function killReplicas(cluster: Cluster, clients: Clients): Promise<void> {
  for (let kill = 0; kill < kills; kill++) {
    await clients.haveUploaded((uploads * (kill + 1)) / (kills + 1));
    expect(await cluster.restart(kill % cluster.size, 'SIGKILL')).toBeNull();
  }
}

async function manifestOf(store: S3Store, id: string): Promise<Manifest> {
  const object = await store.get(`manifests/${id}.json`);
  if (object === undefined || object === 'unchanged') throw new Error('there is no manifest');
  return readManifest(id, object.bytes);
}

/** Expects every replica to say the same, and every picture to exist. */
async function agree(cluster: Cluster, store: S3Store, { id, current, versions }: Manifest): Promise<void> {
  const keys = new Set<string>();
  for await (const { key } of store.list(`avatars/${id}/`)) keys.add(key);
  const missing = versions.filter(
    ({ version, master }) => !keys.has(`avatars/${id}/${version}/master.${master}`),
  );
  expect(missing).toEqual([]);
  for (let replica = 0; replica < cluster.size; replica++) {
    const { body } = await cluster.ask(replica, { path: `/v1/avatars/${id}/versions` });
    expect(body).toMatchObject({ current });
    const listed = (body?.['versions'] ?? []) as { version: string }[];
    expect(listed.map(({ version }) => version)).toEqual(versions.map(({ version }) => version));
  }
}

function environmentsOn(s3: TestS3, bucket: string): Environment[] {
  return Array.from({ length: replicas }, (_, replica) => ({
    STORAGE_BACKEND: 's3',
    STORAGE_S3_ENDPOINT: s3.endpoints[replica % s3.endpoints.length] ?? s3.endpoint,
    STORAGE_S3_BUCKET: bucket,
    STORAGE_S3_ACCESS_KEY_ID: s3.accessKeyId,
    STORAGE_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    STORAGE_S3_USE_PATH_STYLE: 'true',
    STORAGE_FALLBACK: 'none',
    AVATAR_HISTORY: String(HISTORY),
    CACHE_MAX_AGE_MS: '0',
  }));
}

function isAccepted({ kind, outcome }: Operation): boolean {
  return kind === 'upload' && outcome === 'done';
}

function summary(history: readonly Operation[]): string {
  const counts = new Map<string, number>();
  for (const { kind, outcome } of history) {
    const name = `${kind} ${outcome}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
}
