import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { hashEmail } from '../../src/model/alias.js';
import { until } from '../support/until.js';
import { type Nginx, startNginx } from '../cdn/support/nginx.js';
import { type Answer, send } from '../http/support/client.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { freePort } from '../support/ports.js';
import { SEED, TORTURE } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { readMetrics, total } from '../support/scrape.js';
import { describeS3 } from '../support/s3.js';
import { type RunningService, startServices } from '../support/service.js';
import { needs } from '../support/tools.js';

const ERASURES = TORTURE ? 1000 : 20;
const AT_ONCE = TORTURE ? 6 : 20;
const READERS = TORTURE ? 50 : 4;
const TIMEOUT_MS = TORTURE ? 7_200_000 : undefined;
/** The default of CACHE_MAX_AGE_MS. */
const MAX_AGE_MS = 1000;
/** When the last purge after an erasure is over, and with it whatever a CDN could have fetched before, on a machine that is busy. */
const PURGED_MS = 5000;
/** How long after an erasure readers go on. */
const AFTER_MS = 3000;
const SLOWEST_MS = 3000;

const SIZES = [16, 32, 48];
const FORMATS = ['webp', 'png', 'jpeg', 'avif'];

interface Read {
  /** Index of the replica; undefined: nginx. */
  replica: number | undefined;
  path: string;
  startedAt: number;
  endedAt: number;
  /** Whether somebody may keep the answer. */
  keepable: boolean;
  shown: boolean;
}

/** An erased avatar, and what contradicted the documents. */
interface Erased {
  paths: readonly string[];
  version: string;
  wrong: string[];
}

describeS3('on a slow bucket', () => {
  needs('nginx')('erasures among readers of three replicas and nginx', () => {
    const random = randoms(SEED);
    const upTo = (limit: number) => Math.floor(limit * random());
    let proxy: FaultProxy;
    let replicas: RunningService[];
    let nginx: Nginx;

    const pick = <T>(from: readonly T[]): T => from[upTo(from.length)] as T;

    beforeAll(async () => {
      const behind = await behindProxy(await s3Environment());
      proxy = behind.proxy;
      const port = await freePort();
      const cdn = {
        CDN_PURGE: 'http',
        CDN_HTTP_METHOD: 'PURGE',
        CDN_HTTP_URL: `http://127.0.0.1:${port}{path}*`,
        CDN_MAX_AGE: '100000',
        CONSTANT_CACHE_UNKNOWN_HASH_MS: String(MAX_AGE_MS),
      };
      const patient = {
        STORAGE_S3_TIMEOUT_MS: '60000',
        CONSTANT_STORAGE_S3_ATTEMPTS: '1',
        CONSTANT_AVATAR_COMMIT_TIMEOUT_MS: '60000',
      };
      const environment = { ...behind.environment, ...patient, ...cdn, AVATAR_SIZES: SIZES.join() };
      replicas = await startServices([environment, environment, environment]);
      nginx = await startNginx(replicas[0]?.url ?? '', port);
      // Pictures take their time, so that most erasures overtake a reader. Of the other calls only a few are slow.
      const pictures = { operation: 'GetObject', key: /^avatars\// } as const;
      proxy.rule({ ...pictures, fault: { type: 'slow', delayMs: () => SLOWEST_MS * random() } });
      proxy.rule({ fault: { type: 'slow', delayMs: () => SLOWEST_MS * random() ** 6 } });
    });
    afterAll(async () => {
      proxy.clear();
      await nginx.stop();
      await Promise.all(replicas.map((service) => service.stop()));
      await proxy.stop();
    });

    const read = async (replica: number | undefined, path: string, version: string): Promise<Read> => {
      const url = replica === undefined ? nginx.url : replicas[replica]?.url;
      const startedAt = performance.now();
      const answer = await send(url ?? '', { path });
      const endedAt = performance.now();
      const keepable = answer.status === 200 && !(answer.headers['cache-control'] ?? '').includes('no-store');
      return { replica, path, startedAt, endedAt, keepable, shown: await shows(answer, path, version) };
    };

    const erase = async (number: number): Promise<Erased> => {
      const id = `erased-${number}`;
      const at = () => new AvatarClient(pick(replicas).url, id);
      const [hash = ''] = hashEmail(`${id}@example.org`);
      const version = versionOf(expectStatus(201, await at().upload(await numbered(number))));
      expectStatus(200, await at().setAliases({ hashes: [hash] }));
      const paths = pathsOf(id, version, hash);
      const reads: Promise<Read>[] = [];
      let over = false;
      const readers = Array.from({ length: READERS }, async () => {
        while (!over) {
          const one = read(pick([0, 1, 2, undefined, undefined, undefined]), pick(paths), version);
          reads.push(one);
          // A reader who gets no answer in time goes on to something else.
          await Promise.race([one, sleep(1000)]);
          await sleep(upTo(200));
        }
      });
      await sleep(upTo(1500));
      const eraser = upTo(replicas.length);
      expectStatus(200, await new AvatarClient(replicas[eraser]?.url ?? '', id).erase());
      const receiptAt = performance.now();
      await sleep(AFTER_MS);
      over = true;
      await Promise.all(readers);
      const wrong = (await Promise.all(reads)).filter(({ replica, startedAt, endedAt, keepable, shown }) => {
        if (!shown) return false;
        if (replica === undefined) return startedAt > receiptAt + PURGED_MS;
        if (startedAt > receiptAt + (replica === eraser ? 0 : MAX_AGE_MS)) return true;
        return keepable && endedAt > receiptAt + PURGED_MS;
      });
      const told = wrong.map(({ replica, path, startedAt, endedAt, keepable }) => {
        const [from, to] = [startedAt, endedAt].map((time) => Math.round(time - receiptAt));
        return JSON.stringify({ eraser, replica, path, from, to, keepable });
      });
      return { paths, version, wrong: told };
    };

    it(
      'give out nothing of an avatar later than the documents say, and leave no copy anywhere',
      async () => {
        const limit = pLimit(AT_ONCE);
        const erasures = Array.from({ length: ERASURES }, (_, i) => limit(erase, i + 1));
        const erased = await Promise.all(erasures);
        expect(erased.flatMap(({ wrong }) => wrong)).toEqual([]);
        for (const { url } of replicas) await until(() => hasPurged(url), 'no purge to wait');
        proxy.clear();
        const kept = erased.flatMap(({ paths, version }) =>
          paths.map((path) => limit(async () => ((await read(undefined, path, version)).shown ? path : []))),
        );
        expect((await Promise.all(kept)).flat()).toEqual([]);
      },
      TIMEOUT_MS,
    );
  });
});

/** Each way to read an avatar. */
function pathsOf(id: string, version: string, hash: string): string[] {
  const immutable = SIZES.flatMap((size) =>
    FORMATS.map((format) => `/v1/avatars/${id}/${version}/${size}.${format}`),
  );
  return [
    ...immutable,
    ...FORMATS.map((format) => `/v1/avatars/${id}?size=32&default=404&format=${format}`),
    `/v1/avatars/${id}?default=mp`,
    ...[`/avatar/${hash}?s=40&d=404`, `/avatar/${hash}?s=41&d=mp`],
    ...[`/v1/sheets?ids=${id}&size=16&default=404`, `/v1/avatars/${id}/url?size=32`],
  ];
}

/** Whether an answer shows a version, or says where it is. */
async function shows({ status, headers, body }: Answer, path: string, version: string): Promise<boolean> {
  if (status !== 200) return false;
  if (path.includes('/url?')) return body.toString().includes(version);
  if (!path.includes('/sheets?')) return (headers.etag ?? '').includes(version);
  const { channels } = await sharp(body).stats();
  return (channels[3]?.max ?? 255) > 0;
}

async function hasPurged(url: string): Promise<boolean> {
  const metrics = readMetrics((await send(url, { path: '/metrics' })).body.toString());
  return total(metrics, 'visage_cdn_purges_waiting', {}) === 0;
}
