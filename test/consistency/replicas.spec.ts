import { setTimeout as sleep } from 'node:timers/promises';
import { type Manifest, readManifest } from '../../src/avatars/manifest.js';
import { S3Store } from '../../src/storage/s3.store.js';
import { Cluster } from '../support/cluster.js';
import { type TestS3, createBucket, storeOptions, testS3 } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';
import type { Environment } from '../support/service.js';
import { type Operation, contradictions } from './checker.js';
import { Clients, type Mix } from './clients.js';

const ROUNDS = Number(process.env['CONSISTENCY_ROUNDS'] ?? 2);
const ROUND_MS = 6000;
const KILL_EVERY_MS = 2000;
const REPLICAS = 3;
const WRITERS = 100;
const READERS = 6;

/** The most that the service keeps; a round stays below. */
const HISTORY = 1000;

interface Played {
  history: Operation[];
  surprises: string[];
  manifest: Manifest;
}

/** Rounds are over when all that was begun has ended, which takes a while on a busy machine. */
const TEST_TIMEOUT_MS = 60_000 + ROUNDS * (ROUND_MS + 60_000);

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
});

if (testS3) {
  const s3 = testS3;
  it(
    `three replicas over two endpoints agree with all that ${WRITERS} writers saw, with a kill every two seconds`,
    async () => {
      const bucket = await createBucket(s3);
      const cluster = await open(s3, bucket);
      const store = new S3Store(storeOptions(s3, bucket));
      for (let round = 1; round <= ROUNDS; round++) {
        const mix = { restores: 0.15, deletes: 0.15 };
        const { history, surprises, manifest } = await play(cluster, store, `round-${round}`, mix, true);
        console.log(`round ${round}: ${summary(history)}`);
        expect(surprises).toEqual([]);
        expect(manifest.versions.length).toBeLessThan(HISTORY);
        expect(contradictions(history, manifest)).toEqual([]);
        expect(history.filter(isAccepted).length).toBeGreaterThan(WRITERS / 2);
        await agree(cluster, store, manifest);
      }
    },
    TEST_TIMEOUT_MS,
  );
}

it(
  'three replicas over a server that ignores preconditions lose uploads, and the checker finds it',
  async () => {
    const { stop, ...s3 } = await startS3rver();
    running.push({ stop });
    const bucket = await createBucket(s3);
    const cluster = await open(s3, bucket);
    const store = new S3Store(storeOptions(s3, bucket));
    const { history, manifest } = await play(cluster, store, 'lossy', { restores: 0, deletes: 0 }, false);
    expect(history.filter(isAccepted).length).toBeGreaterThan(manifest.versions.length);
    expect(contradictions(history, manifest).join('\n')).toMatch(/the upload \S+ is lost/);
    expect(cluster.logs()).toContain('run ONE replica only');
  },
  TEST_TIMEOUT_MS,
);

async function open(s3: TestS3, bucket: string): Promise<Cluster> {
  const cluster = await Cluster.start(environmentsOn(s3, bucket));
  running.push(cluster);
  return cluster;
}

/** One round: writers and readers for a while, and what is there when all have ended. */
async function play(cluster: Cluster, store: S3Store, id: string, mix: Mix, kills: boolean): Promise<Played> {
  const clients = new Clients(cluster, id);
  const until = performance.now() + ROUND_MS;
  const ended = () => performance.now() > until;
  await Promise.all([
    ...Array.from({ length: WRITERS }, (_, writer) => clients.write(writer, mix, ended)),
    ...Array.from({ length: READERS }, (_, reader) => clients.read(reader, ended)),
    ...(kills ? [kill(cluster, ended)] : []),
  ]);
  const object = await store.get(`manifests/${id}.json`);
  if (object === undefined || object === 'unchanged') throw new Error('there is no manifest');
  const { history, surprises } = clients;
  return { history, surprises, manifest: readManifest(id, object.bytes) };
}

async function kill(cluster: Cluster, ended: () => boolean): Promise<void> {
  for (let turn = 0; !ended(); turn++) {
    const [, code] = await Promise.all([
      sleep(KILL_EVERY_MS),
      cluster.restart(turn % cluster.size, 'SIGKILL'),
    ]);
    expect(code).toBeNull();
  }
}

/** Every replica says the same, and every picture is there. */
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
  return Array.from({ length: REPLICAS }, (_, replica) => ({
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
