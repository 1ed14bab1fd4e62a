import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { type Dialect, startDialect } from '../support/dialect.js';
import { type Fault, FaultProxy, type Rule } from '../support/fault-proxy.js';
import { TORTURE, sliceOf } from '../support/programme.js';
import { type TestS3, createBucket, s3Client, storeOptions, testS3 } from '../support/s3.js';
import { CALLS, type Call, NEW, OLD, PAGED, type Subject, outcomeOf } from './support/calls.js';
import { ATTEMPTS, FAULTS, HANGING_TIMEOUT_MS, SCOPES, type Scope, ruleOf } from './support/faults.js';

/** The deadline for faults that show at once. */
const TIMEOUT_MS = 120_000;

/** Added to a deadline. Only a call that hangs takes longer. */
const HANG_MS = 60_000;

const LANES_AT_ONCE = 6;

interface Cell {
  call: Call;
  scope: Scope;
}

/**
 * A call with a driver and a way to the server of its own: the SDK stops repeating requests after many that failed, and
 * what goes wrong in one cell is not to show in another.
 */
interface Lane extends Cell {
  proxy: FaultProxy;
  store: S3Store;
}

const title = ({ call, scope }: Cell) => `${call.name}, ${scope}`;

function callNamed(name: string): Call {
  const call = CALLS.find((known) => known.name === name);
  if (!call) throw new Error(`${name} is no call`);
  return call;
}

if (testS3) describeFaults(testS3);
else {
  it('was left out by SKIP_S3=1', () => {
    expect(process.env['SKIP_S3']).toBe('1');
  });
}

function describeFaults(s3: TestS3): void {
  const lanes = pLimit(LANES_AT_ONCE);
  const proxies: FaultProxy[] = [];
  let bucket: string;
  let clean: S3Store;
  let unquoted: Dialect;
  let count = 0;

  beforeAll(async () => {
    unquoted = await startDialect(s3, 'unquoted');
    bucket = await createBucket(s3);
    clean = new S3Store(storeOptions(s3, bucket));
    await clean.check();
    await Promise.all(PAGED.map((key) => lanes(() => clean.store(key, Buffer.from(key)))));
  });
  afterEach(async () => {
    lanes.clearQueue();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
  });
  afterAll(() => unquoted.stop());

  it.each(sliceOf(FAULTS, ({ inGate }) => inGate === true))(
    'keeps the promises of the port: $name',
    async (row) => {
      const timeoutMs = row.hangs ? HANGING_TIMEOUT_MS : TIMEOUT_MS;
      const affected = CALLS.filter((call) => row.affects?.(call) ?? true);
      const scopes = sliceOf(SCOPES, (scope) => scope === 'once');
      const cells = affected.flatMap((call) => scopes.map((scope) => ({ call, scope })));
      const found = await lanes.map(cells, async (cell) => {
        const lane = await open(cell, timeoutMs);
        return [title(cell), await spoil(lane, ruleOf(cell.call, row.fault, cell.scope), timeoutMs)];
      });
      const expected = cells.map((cell) => [title(cell), row.expected(cell.call, cell.scope)]);
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
    },
  );

  it.each(['store ifAbsent', 'store ifMatch'])(
    'does not guess from the answer to a repetition what became of a write that it cannot read back: %s',
    async (name) => {
      const call = callNamed(name);
      const { proxy, store } = await open({ call, scope: 'once' }, TIMEOUT_MS);
      const subject = await prepare(store);
      proxy.rule({ operation: 'PutObject', fault: { type: 'reset-reply', afterBytes: 0 }, times: 1 });
      proxy.rule({ operation: 'GetObject', fault: { type: 'error', status: 500, code: 'InternalError' } });
      expect(await outcomeOf(() => call.run(subject))).toBe('unavailable');
    },
  );

  it('recognises its own write when a retry is told that it came too late', async () => {
    const call = callNamed('store ifMatch');
    const { proxy, store } = await open({ call, scope: 'once' }, TIMEOUT_MS);
    const subject = await prepare(store);
    const tooLate = { type: 'error', status: 412, code: 'PreconditionFailed' } as const;
    const faults: Fault[] = [
      { type: 'reset-request', afterBytes: 0 },
      tooLate,
      { ...tooLate, committed: true },
    ];
    for (const fault of faults) proxy.rule({ operation: 'PutObject', fault, times: 1 });
    expect(await outcomeOf(() => call.run(subject))).toBe('ok');
  });

  it("needs its deadlines: with the SDK's default timeouts a black hole swallows a call forever", async () => {
    const proxy = await startProxy(s3.endpoint);
    const client = s3Client({ ...s3, endpoint: proxy.url });
    const { key } = await prepare(clean);
    const arrived = proxy.hold({ operation: 'GetObject' });
    proxy.rule({ fault: { type: 'black-hole' } });
    const giveUp = new AbortController();
    const call = client
      .send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: giveUp.signal })
      .then(
        () => 'ended',
        (error: unknown) => (giveUp.signal.aborted ? 'was given up' : String(error)),
      );
    await arrived;
    // The driver asks later, and has given up while that request still waits.
    const timeoutMs = TORTURE ? HANGING_TIMEOUT_MS : 1000;
    const store = new S3Store(storeOptions(s3, bucket, { endpoint: proxy.url, timeoutMs }));
    const ours = outcomeOf(async () => (await store.get(key)) !== undefined);
    expect(await Promise.race([call, ours])).toBe('unavailable');
    giveUp.abort();
    expect(await call).toBe('was given up');
    client.destroy();
  });

  async function startProxy(endpoint: string): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(endpoint);
    proxies.push(proxy);
    return proxy;
  }

  async function open(cell: Cell, timeoutMs: number): Promise<Lane> {
    const proxy = await startProxy(cell.call.spelling === 'unquoted' ? unquoted.endpoint : s3.endpoint);
    const options = { endpoint: proxy.url, timeoutMs, attempts: ATTEMPTS };
    const store = new S3Store(storeOptions(s3, bucket, options));
    // What it learns of conditional writes is a call of its own.
    if (!cell.call.unlearned) await store.check();
    return { ...cell, proxy, store };
  }

  /** @returns the outcome of a spoilt call: in time, true, leaving nothing open or half written, and the next call works */
  async function spoil({ call, proxy, store }: Lane, rule: Rule, timeoutMs: number): Promise<string> {
    const subject = await prepare(store);
    proxy.clear();
    proxy.rule(rule);
    const start = performance.now();
    const outcome = await outcomeOf(() => call.run(subject));
    const took = performance.now() - start;
    if (!proxy.seen.some(({ fault }) => fault)) return 'the fault did not come up';
    if (took > timeoutMs + HANG_MS) return `${outcome} after ${took} ms`;
    const half = await halfWritten(subject.key);
    if (half !== undefined) return half;
    for (let waited = 0; proxy.held > 0; waited += 20) {
      if (waited > HANG_MS) return `${proxy.held} connections are still open`;
      await sleep(20);
    }

    proxy.clear();
    await proxy.resume();
    const after = await prepare(store);
    const next = await outcomeOf(() => call.run(after));
    return next === 'ok' ? outcome : `${outcome}, then ${next}`;
  }

  async function prepare(store: S3Store): Promise<Subject> {
    const key = `objects/${++count}`;
    return { store, clean, key, etag: (await clean.store(key, OLD)).etag };
  }

  /** @returns the size of an object of the call that is not whole, if there is one */
  async function halfWritten(key: string): Promise<string | undefined> {
    for (const written of [key, `${key}-new`]) {
      const object = await clean.get(written);
      if (object === undefined || object === 'unchanged') continue;
      if (!object.bytes.equals(OLD) && !object.bytes.equals(NEW))
        return `${object.bytes.length} bytes are stored`;
    }
    return undefined;
  }
}
