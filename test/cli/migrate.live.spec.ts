import { setTimeout as sleep } from 'node:timers/promises';
import { decodeId, manifestKey, pictureKey, versionOf } from '../../src/model/keys.js';
import { readManifest } from '../../src/model/manifest-format.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { numbered } from '../support/avatar-client.js';
import { openBackend } from '../support/backends.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TORTURE, sliceOf } from '../support/programme.js';
import { testS3 } from '../support/s3.js';
import { type RunningService, startService } from '../support/service.js';
import { bytesOf, checksums, countOf, putAvatar, samples } from './support/avatars.js';
import { reportOf, start } from './support/program.js';
import { describeRoutes } from './support/routes.js';

/** As many as somebody wants to see moved, 10000 for one. */
const BY_HAND = process.env['MIGRATE_AVATARS'];
const AVATARS = Number(BY_HAND ?? (TORTURE ? 150 : 8));
/** At which quarters of the avatars a run is killed. */
const CUTS = sliceOf([1, 2, 3], (quarter) => quarter === 2);
const HOURS = 3_600_000;

const users = Array.from({ length: AVATARS }, (_, i) => `user-${i}`);
/** As stores list them. */
const inOrder = [...users].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1));

describeRoutes('migrate, while uploads run,', (from, to) => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.allSettled(closing.splice(0).map((close) => close()));
  });

  it(
    `moves ${AVATARS} avatars, killed ${CUTS.length} times, to the byte and without a loss`,
    async () => {
      const [there, here] = await Promise.all([from.environment(), to.environment()]);
      const [source, target] = [openBackend(there), openBackend(here)];
      await fill(source);
      const proxy = await FaultProxy.start(testS3?.endpoint ?? '');
      closing.push(() => proxy.stop());
      const service = await startService({ ...there, AVATAR_HISTORY: '100' });
      closing.push(() => service.stop());
      const traffic = new Traffic(service);
      closing.push(() => traffic.stop());
      const migrate = [
        'migrate',
        '--from',
        from.name,
        '--to',
        to.name,
        '--concurrency',
        BY_HAND ? '16' : '4',
      ];
      const environment = { ...there, ...here, STORAGE_S3_ENDPOINT: proxy.url, AVATAR_HISTORY: '100' };
      for (const cut of CUTS) {
        const reached = frozenAt(proxy, inOrder[Math.floor((AVATARS * cut) / 4)] ?? '');
        const run = await start(environment, ...migrate);
        await Promise.race([reached, run.ended]);
        run.process.kill('SIGKILL');
        expect(await run.ended).toMatchObject({ signal: 'SIGKILL' });
        proxy.clear();
        expect(await countOf(target, 'manifests/')).toBeGreaterThan(0);
        await nothingDangles(target);
      }
      // Uploads go on during this one as well: it ends, settled or not.
      const during = await reportOf<{ settled: boolean }>(environment, ...migrate);
      expect(during.findings).toEqual([]);
      const uploads = await traffic.stop();
      expect(await service.stop()).toBe(0);
      const last = await reportOf<{ settled: boolean; copied: number }>(environment, ...migrate);
      expect(last).toMatchObject({ code: 0, settled: true, findings: [] });

      const [ours, theirs] = await Promise.all([checksums(source), checksums(target)]);
      expect(theirs).toEqual(await known(source, ours));
      expect(Object.keys(theirs).length).toBeGreaterThan(3 * AVATARS);
      await everyUploadIsIn(target, uploads);
      if (BY_HAND) console.info({ objects: Object.keys(theirs).length, uploads: uploads.size, during, last });
    },
    Math.max(600_000, AVATARS * 400),
  );

  async function fill(store: ObjectStore): Promise<void> {
    const pictures = await samples(16);
    for (let i = 0; i < users.length; i += 16) {
      await Promise.all(
        users.slice(i, i + 16).map(async (id, j) => {
          const own = pictures.slice(j, j + 1 + (j % 2));
          await putAvatar(store, id, own, { at: Date.now() - 24 * HOURS });
        }),
      );
    }
  }
});

/**
 * Lets nothing pass any more from the moment that the program asks for an avatar's manifest: it cannot come to its end.
 * @returns when it has asked
 */
function frozenAt(proxy: FaultProxy, id: string): Promise<unknown> {
  return new Promise((arrived) => {
    const fault = { type: 'held', arrived } as const;
    proxy.rule({ operation: 'GetObject', key: manifestKey(id), fault, thenAll: true });
  });
}

/**
 * Uploads to new and to known avatars; now and then a delete, an erasure, or a reading of a new size; one after the other. Of
 * each there are some at least, however soon it is to stop.
 */
class Traffic {
  private readonly accepted = new Map<string, string>();
  private stopping = false;
  private readonly done: Promise<void>;

  constructor(private readonly service: RunningService) {
    this.done = this.run();
  }

  /** @returns the ids of the versions that were accepted */
  async stop(): Promise<Map<string, string>> {
    this.stopping = true;
    await this.done;
    return this.accepted;
  }

  private async run(): Promise<void> {
    for (let i = 0; !this.stopping || i <= 26; i++) {
      const id = i % 2 ? `user-${(i * 7919) % AVATARS}` : `new-${i}`;
      const answer = await this.send('PUT', id, await numbered(i));
      const { version } = (await answer.json()) as { version: string };
      if (answer.status !== 201) throw new Error(`an upload was answered ${answer.status}`);
      this.accepted.set(version, id);
      if (i % 5 === 0) await (await this.send('GET', `${id}?size=32&format=webp`)).arrayBuffer();
      if (i % 11 === 0) await this.send('DELETE', id);
      if (i % 13 === 0) await this.erase(id);
      await sleep(TORTURE ? 50 : 200);
    }
  }

  /** Forgets the uploads of it that were accepted before. */
  private async erase(id: string): Promise<void> {
    const answer = await this.send('DELETE', `${id}?erase=true`);
    if (answer.status !== 200) throw new Error(`an erasure was answered ${answer.status}`);
    for (const [version, owner] of this.accepted) if (owner === id) this.accepted.delete(version);
  }

  private send(method: string, id: string, body?: Buffer): Promise<Response> {
    return fetch(`${this.service.url}/v1/avatars/${id}`, {
      method,
      ...(body && { body: new Uint8Array(body) }),
    });
  }
}

/** The objects of a store but those of versions that no manifest knows, which a migration leaves behind. */
async function known(store: ObjectStore, sums: Record<string, string>): Promise<Record<string, string>> {
  const versions = new Set<string>();
  for (const key of Object.keys(sums).filter((name) => name.startsWith('manifests/'))) {
    const id = decodeId(key.slice('manifests/'.length, -'.json'.length));
    for (const { version } of readManifest(id, await bytesOf(store, key)).versions) versions.add(version);
  }
  return Object.fromEntries(
    Object.entries(sums).filter(([key]) => {
      const version = versionOf(key);
      return version === undefined || versions.has(version);
    }),
  );
}

/** Whatever manifest is there, its masters are there before it. */
async function nothingDangles(store: ObjectStore): Promise<void> {
  const manifests: string[] = [];
  for await (const { key } of store.list('manifests/')) manifests.push(key);
  const pictures = new Set<string>();
  for await (const { key } of store.list('avatars/')) pictures.add(key);
  for (const key of manifests) {
    const { id, versions } = readManifest(
      decodeId(key.slice('manifests/'.length, -'.json'.length)),
      await bytesOf(store, key),
    );
    for (const { version, master } of versions) {
      expect(pictures).toContain(pictureKey(id, version, `master.${master}`));
    }
  }
}

async function everyUploadIsIn(store: ObjectStore, uploads: Map<string, string>): Promise<void> {
  expect(uploads.size).toBeGreaterThan(0);
  for (const [version, id] of uploads) {
    const { versions } = readManifest(id, await bytesOf(store, `manifests/${id}.json`));
    expect(versions.map((one) => one.version)).toContain(version);
  }
}
