import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { readManifest, writeManifest } from '../../src/model/manifest-format.js';
import { type Manifest, emptyManifest } from '../../src/model/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { type Answer, problemOf, send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TORTURE, sliceOf } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { ATTEMPTS, FAULTS, HANGING_TIMEOUT_MS, type Row } from './support/faults.js';
import { SERVICE_CALLS, type ServiceCall, type State, type Subject } from './support/service-calls.js';
import { until } from '../support/until.js';

/** The long programme waits for faults that only a deadline reveals. `npm test` has none of those. */
const TIMEOUT_MS = TORTURE ? HANGING_TIMEOUT_MS : 120_000;
const COMMIT_TIMEOUT_MS = 1500;

/** Added to all deadlines. Only a request that hangs takes longer. */
const HANG_MS = 60_000;

/** A row of the long programme waits for many deadlines. */
const ROW_TIMEOUT_MS = TORTURE ? 3_600_000 : undefined;

const AT_ONCE = 6;

/** A request to the service. One of its requests to the bucket is spoilt, or that one and all later ones. */
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

describeS3('the service without a fallback', () => {
  let environment: Environment;
  let proxy: FaultProxy;
  let service: RunningService;
  let clean: ObjectStore;
  let template: { manifest: Manifest; masters: Map<string, Buffer> };
  let cells: Cell[];
  const opened: { stop(): Promise<unknown> }[] = [];
  let count = 0;

  beforeAll(async () => {
    environment = await s3Environment();
    clean = openBackend(environment);
    const behind = await behindProxy(environment);
    proxy = behind.proxy;
    opened.push(proxy);
    service = await startService({
      ...behind.environment,
      STORAGE_S3_TIMEOUT_MS: String(TIMEOUT_MS),
      CONSTANT_STORAGE_S3_ATTEMPTS: String(ATTEMPTS),
      // An open circuit would answer for requests that are to meet the fault.
      CONSTANT_STORAGE_S3_BREAKER_FAILURES: '1000000',
      CONSTANT_HEALTH_MAX_AGE_MS: '0',
      STORAGE_FALLBACK: 'none',
      CONSTANT_AVATAR_COMMIT_TIMEOUT_MS: String(COMMIT_TIMEOUT_MS),
      URL_MODE: 'presigned',
      CACHE_BYTES: '0',
      CACHE_MAX_AGE_MS: '0',
    });
    opened.push(service);
    // What it has found holds for a while: the sooner it is asked, the sooner it looks again.
    await becomes('ready');
    template = await makeTemplate();
    const learned = await pLimit(AT_ONCE).map(SERVICE_CALLS, cellsOf);
    cells = sliceOf(learned.flat(), ({ scope }) => scope === 'once');
  });
  afterAll(() => Promise.all(opened.map((one) => one.stop())));

  it.each(sliceOf(FAULTS, ({ inGate }) => inGate === true))(
    'answers correctly, or 503 in time: $name',
    async (row) => {
      const verdicts: (readonly [string, string])[] = [];
      for (let i = 0; i < cells.length; i += AT_ONCE) {
        verdicts.push(...(await tryOut(row, cells.slice(i, i + AT_ONCE))));
      }
      expect(verdicts.filter(([, verdict]) => verdict !== 'fine')).toEqual([]);
      expect(service.process.exitCode).toBeNull();
    },
    ROW_TIMEOUT_MS,
  );

  it('answers busy in time to changes that wait for another one, and stores nothing for them', async () => {
    const { id, picture: body } = await prepare();
    const path = `/v1/avatars/${id}`;
    proxy.clear();
    const arrived = proxy.hold({ operation: 'PutObject', key: `manifests/${id}.json` });
    const first = send(service.url, { method: 'PUT', path, body });
    const held = await arrived;
    const before = await stateOf(id);
    const waiting = [
      { method: 'PUT', path, body: await picture('png') },
      { method: 'DELETE', path },
      { method: 'PUT', path, body: await picture('gif') },
    ];
    const refused = await Promise.all(waiting.map((outgoing) => send(service.url, outgoing)));
    for (const answer of refused) {
      expect(problemOf(answer)).toEqual({ status: 503, code: 'busy' });
      expect(answer.headers['retry-after']).toBe('1');
    }
    // Nor is the first one through: nobody waited for it.
    expect(await stateOf(id)).toEqual(before);
    held.pass();
    expect((await first).status).toBe(201);
    expect((await stateOf(id)).manifest.versions).toHaveLength(before.manifest.versions.length + 1);
    expect((await send(service.url, { method: 'DELETE', path })).status).toBe(204);
  });

  it('says so in its readiness, and is ready again afterwards', async () => {
    await proxy.stop();
    await becomes('degraded');
    await proxy.resume();
    await becomes('ready');
  });

  /** Waits until readiness says this. */
  async function becomes(status: string): Promise<void> {
    const now = async () =>
      JSON.parse((await send(service.url, { path: '/health/ready' })).body.toString()) as { status: string };
    while ((await now()).status !== status) await sleep(100);
  }

  /** Makes an avatar with two versions through the service. Requests are tried on copies of it. */
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

  /** At the same time, because a bucket that refuses connections refuses all of them. */
  async function tryOut(row: Row, together: Cell[]): Promise<(readonly [string, string])[]> {
    const attempts = await Promise.all(
      together.map(async (cell) => ({ cell, subject: await prepare(cell.call.absent) })),
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
    // It may come up after the answer only.
    await until(() => hasComeUp(row, attempts), 'the fault to come up in each');
    proxy.clear();
    await proxy.resume();
    return Promise.all(
      answered.map(async (attempt) => [title(attempt.cell), await judge(row, attempt)] as const),
    );
  }

  function hasComeUp({ fault, only }: Row, attempts: Attempt[]): boolean {
    const spoilt = proxy.seen.filter((seen) => seen.fault !== undefined);
    if (fault.type === 'refused') return spoilt.length > 0;
    // Not every call makes such a request so often.
    if (only !== undefined) return true;
    return attempts.every(({ subject }) => spoilt.some(({ key }) => ofAvatar(subject.id).test(key)));
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

  /** Sends a request without a fault, to count its requests to the bucket. */
  async function cellsOf(call: ServiceCall): Promise<Cell[]> {
    const subject = await prepare(call.absent);
    expect((await send(service.url, call.request(subject))).status).toBe(call.status);
    const kept = call.keeps?.(subject);
    if (kept !== undefined) await until(() => isKept(subject, kept), `${kept} to be kept`);
    const requests = proxy.count({ key: ofAvatar(subject.id) });
    return Array.from({ length: requests }, (_, i) => i + 1).flatMap((nth) => [
      { call, nth, scope: 'once' as const },
      { call, nth, scope: 'from then on' as const },
    ]);
  }

  /** After storing a rendition the service reads the manifest again, in case the avatar was erased meanwhile. */
  function isKept({ id }: Subject, rendition: string): boolean {
    const stored = proxy.seen.findLastIndex(
      ({ operation, key }) => operation === 'PutObject' && key === rendition,
    );
    const read = proxy.seen.findLastIndex(
      ({ operation, key }) => operation === 'GetObject' && key === `manifests/${id}.json`,
    );
    return stored !== -1 && read > stored;
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
    if (tookMs > 2 * TIMEOUT_MS + COMMIT_TIMEOUT_MS + HANG_MS) return `took ${tookMs} ms`;
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

  /** Retries on 503, because after many failed requests the SDK repeats nothing for a while. */
  async function repeat(call: ServiceCall, subject: Subject): Promise<Answer> {
    const giveUp = performance.now() + HANG_MS;
    for (;;) {
      const answer = await send(service.url, call.request(subject));
      if (answer.status !== 503 || performance.now() > giveUp) return answer;
      await sleep(100);
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

/** @returns what the manifest names and the storage lacks */
function danglingIn({ manifest, keys }: State): string | undefined {
  const { id, current, versions } = manifest;
  if (current !== null && !versions.some(({ version }) => version === current))
    return `current is ${current}`;
  const missing = versions.filter(
    ({ version, master }) => !keys.includes(`avatars/${id}/${version}/master.${master}`),
  );
  return missing.length > 0 ? `no master of ${missing.map(({ version }) => version).join()}` : undefined;
}
