import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { type Manifest, emptyManifest, readManifest, writeManifest } from '../../src/avatars/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { type Answer, problemOf, send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { openBackend } from '../support/backend.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { FAULTS, type Row } from './support/faults.js';
import { SERVICE_CALLS, type ServiceCall, type State, type Subject } from './support/service-calls.js';

/** What a busy machine and the other requests at the same time add to a deadline. */
const SLACK_MS = 5000;
const TIMEOUT_MS = 2000;
const COMMIT_TIMEOUT_MS = 1500;
const JUDGED_AT_ONCE = 10;

/** A request to the service, of whose requests to the bucket one is spoilt, or this and all that follow. */
interface Cell {
  call: ServiceCall;
  /** From 1. */
  nth: number;
  scope: 'once' | 'from then on';
}

interface Attempt {
  cell: Cell;
  subject: Subject;
}

interface Answered extends Attempt {
  answer: Answer;
  tookMs: number;
}

const title = ({ call, nth, scope }: Cell) => `${call.name}, request ${nth}, ${scope}`;

const s3 = backends.find(({ name }) => name === 's3');

(s3 ? describe : describe.skip)('the service without a fallback', () => {
  let environment: Environment;
  let proxy: FaultProxy;
  let service: RunningService;
  let clean: ObjectStore;
  let template: { manifest: Manifest; masters: Map<string, Buffer> };
  let cells: Cell[];
  let count = 0;

  beforeAll(async () => {
    environment = (await s3?.environment()) ?? {};
    clean = openBackend(environment);
    proxy = await FaultProxy.start(environment['STORAGE_S3_ENDPOINT'] ?? '');
    service = await startService({
      ...environment,
      STORAGE_S3_ENDPOINT: proxy.url,
      STORAGE_S3_TIMEOUT_MS: String(TIMEOUT_MS),
      // An open circuit would answer for requests that are to meet the fault.
      STORAGE_S3_BREAKER_FAILURES: '1000000',
      STORAGE_FALLBACK: 'none',
      AVATAR_COMMIT_TIMEOUT_MS: String(COMMIT_TIMEOUT_MS),
      URL_MODE: 'presigned',
      CACHE_BYTES: '0',
      CACHE_MAX_AGE_MS: '0',
    });
    template = await makeTemplate();
    cells = (await Promise.all(SERVICE_CALLS.map(cellsOf))).flat();
  });
  afterAll(async () => {
    await service.stop();
    await proxy.stop();
  });

  it.each(FAULTS)('answers truly, or 503 in time: $name', async (row) => {
    const attempts = await Promise.all(
      cells.map(async (cell) => ({ cell, subject: await prepare(cell.call.absent) })),
    );
    proxy.clear();
    for (const { cell, subject } of attempts) {
      const times = cell.scope === 'once' ? { times: 1 } : {};
      const operation = row.only && { operation: row.only };
      proxy.rule({ ...operation, key: ofAvatar(subject.id), fault: row.fault, skip: cell.nth - 1, ...times });
    }
    const answered = await Promise.all(
      attempts.map(async (attempt) => ({ ...attempt, ...(await timed(attempt)) })),
    );
    expect(proxy.seen.some(({ fault }) => fault !== undefined)).toBe(true);
    proxy.clear();
    await proxy.resume();
    const limit = pLimit(JUDGED_AT_ONCE);
    const verdicts = await Promise.all(
      answered.map((attempt) => limit(async () => [title(attempt.cell), await judge(row, attempt)] as const)),
    );
    expect(verdicts.filter(([, verdict]) => verdict !== 'fine')).toEqual([]);
    expect(service.process.exitCode).toBeNull();
  });

  it('tells by its readiness, and is ready again afterwards', async () => {
    const becomes = async (status: number) => {
      while ((await send(service.url, { path: '/health/ready' })).status !== status) await sleep(100);
    };
    await becomes(200);
    await proxy.stop();
    await becomes(503);
    await proxy.resume();
    await becomes(200);
  });

  /** Two versions of an avatar, made by the service itself; copies of them are what requests are tried on. */
  async function makeTemplate(): Promise<typeof template> {
    for (const name of ['png', 'jpeg'] as const) {
      const answer = await send(service.url, {
        method: 'PUT',
        path: '/v1/avatars/template',
        body: await picture(name),
      });
      expect(answer.status).toBe(201);
    }
    const { manifest, keys } = await stateOf('template');
    const masters = await Promise.all(keys.map(async (key) => [key, await bytesOf(key)] as const));
    return { manifest, masters: new Map(masters) };
  }

  async function prepare(absent = false): Promise<Subject> {
    const id = `copy-${++count}`;
    const [newer, older] = template.manifest.versions;
    const masterOf = (version = '') => [...template.masters].find(([key]) => key.includes(version))?.[1];
    if (!absent) {
      for (const [key, bytes] of template.masters) await clean.store(key.replace('template', id), bytes);
      await clean.store(`manifests/${id}.json`, writeManifest({ ...template.manifest, id }));
    }
    return {
      id,
      newer: newer?.version ?? '',
      older: older?.version ?? '',
      master: masterOf(newer?.version) ?? Buffer.alloc(0),
      picture: await picture('webp'),
    };
  }

  /** Lets a request pass unspoilt to see how many requests to the bucket it makes. */
  async function cellsOf(call: ServiceCall): Promise<Cell[]> {
    const subject = await prepare(call.absent);
    expect((await send(service.url, call.request(subject))).status).toBe(call.status);
    // A rendition is kept after the answer.
    await sleep(500);
    const requests = proxy.count({ key: ofAvatar(subject.id) });
    return Array.from({ length: requests }, (_, i) => i + 1).flatMap((nth) => [
      { call, nth, scope: 'once' as const },
      { call, nth, scope: 'from then on' as const },
    ]);
  }

  async function timed({ cell, subject }: Attempt): Promise<{ answer: Answer; tookMs: number }> {
    const start = performance.now();
    const answer = await send(service.url, cell.call.request(subject));
    return { answer, tookMs: performance.now() - start };
  }

  /** @returns `fine`, or what is wrong */
  async function judge(row: Row, { cell, subject, answer, tookMs }: Answered): Promise<string> {
    const { call } = cell;
    // A request that is spoilt to its end, after others that were slow; and the time for which a change is tried again.
    if (tookMs > 2 * TIMEOUT_MS + COMMIT_TIMEOUT_MS + SLACK_MS) return `took ${tookMs} ms`;
    const state = await stateOf(subject.id);
    const dangling = danglingIn(state);
    if (dangling !== undefined) return dangling;
    if (answer.status === call.status) {
      if (!call.isTrue(subject, answer, state)) return `${answer.status} is not true`;
    } else {
      const { status, code } = problemOf(answer);
      const allowed = isConflict(row) ? ['storage_unavailable', 'busy'] : ['storage_unavailable'];
      if (status !== 503 || !allowed.includes(code)) return `${status} ${code}`;
      if (answer.headers['retry-after'] === undefined) return 'no Retry-After';
      if (!call.mayLeave(subject, state)) return `${status}, and left ${JSON.stringify(state)}`;
    }
    const again = await repeat(call, subject);
    // An upload of what is current already is answered 200.
    const works = [call.status, ...(call.status === 201 ? [200] : [])].includes(again.status);
    if (!works) return `${answer.status}, then ${again.status}`;
    return call.isTrue(subject, again, await stateOf(subject.id))
      ? 'fine'
      : `then ${again.status} is not true`;
  }

  /** As a client does that heeds a 503: the SDK repeats nothing for a while after many requests that failed. */
  async function repeat(call: ServiceCall, subject: Subject): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await send(service.url, call.request(subject));
      if (answer.status !== 503 || attempt === 5) return answer;
      await sleep(500);
    }
  }

  async function stateOf(id: string): Promise<State> {
    const object = await clean.get(`manifests/${id}.json`);
    const present = object !== undefined && object !== 'unchanged';
    const manifest = present ? readManifest(id, object.bytes) : emptyManifest(id);
    const keys: string[] = [];
    for await (const { key } of clean.list(`avatars/${id}/`)) keys.push(key);
    return { manifest, keys };
  }

  async function bytesOf(key: string): Promise<Buffer> {
    const object = await clean.get(key);
    if (object === undefined || object === 'unchanged') throw new Error(`${key} is missing`);
    return object.bytes;
  }
});

/** Every request to the bucket that is about one avatar. */
function ofAvatar(id: string): RegExp {
  return new RegExp(`^(manifests|avatars)/${id}[./]`);
}

function isConflict({ fault }: Row): boolean {
  return fault.type === 'error' && [409, 412].includes(fault.status);
}

/** @returns what the manifest points at and is not there */
function danglingIn({ manifest, keys }: State): string | undefined {
  const { id, current, versions } = manifest;
  if (current !== null && !versions.some(({ version }) => version === current))
    return `current is ${current}`;
  const missing = versions.filter(
    ({ version, master }) => !keys.includes(`avatars/${id}/${version}/master.${master}`),
  );
  return missing.length > 0 ? `no master of ${missing.map(({ version }) => version).join()}` : undefined;
}
