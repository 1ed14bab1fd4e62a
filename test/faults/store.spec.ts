import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { S3Store } from '../../src/storage/s3.store.js';
import { FaultProxy, type Rule } from '../support/fault-proxy.js';
import { type TestS3, createBucket, s3Client, storeOptions, testS3 } from '../support/s3.js';
import { CALLS, type Call, NEW, OLD, PAGED, type Subject, outcomeOf } from './support/calls.js';
import { FAULTS, SCOPES, type Scope, ruleOf } from './support/faults.js';

/** What a busy machine adds to a deadline. */
const SLACK_MS = 2500;

/** For faults that show at once, and for those that last until the deadline. */
const TIMEOUT_MS = 10_000;
const HANGING_TIMEOUT_MS = 3600;

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

if (testS3) describeFaults(testS3);
else {
  it('was left out by SKIP_S3=1', () => {
    expect(process.env['SKIP_S3']).toBe('1');
  });
}

function describeFaults(s3: TestS3): void {
  let bucket: string;
  let clean: S3Store;
  let count = 0;

  beforeAll(async () => {
    bucket = await createBucket(s3);
    clean = new S3Store(storeOptions(s3, bucket));
    await clean.check();
    const keys = [...PAGED];
    while (keys.length > 0) {
      await Promise.all(keys.splice(0, 50).map((key) => clean.store(key, Buffer.from(key))));
    }
  });

  it.each(FAULTS)('keeps the promises of the port: $name', async (row) => {
    const timeoutMs = row.hangs ? HANGING_TIMEOUT_MS : TIMEOUT_MS;
    const affected = CALLS.filter((call) => row.affects?.(call) ?? true);
    const cells = affected.flatMap((call) => SCOPES.map((scope) => ({ call, scope })));
    const lanes = await Promise.all(cells.map((cell) => open(cell, timeoutMs)));
    const found = await Promise.all(
      lanes.map(async (lane) => [
        title(lane),
        await spoil(lane, ruleOf(lane.call, row.fault, lane.scope), timeoutMs),
      ]),
    );
    await Promise.all(lanes.map(({ proxy }) => proxy.stop()));
    const expected = cells.map((cell) => [title(cell), row.expected(cell.call, cell.scope)]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  });

  it.each(['store ifAbsent', 'store ifMatch'])(
    'does not guess from the answer to a repetition what became of a write that it cannot read back: %s',
    async (name) => {
      const call = CALLS.find((known) => known.name === name);
      if (!call) throw new Error(`${name} is no call`);
      const { proxy, store } = await open({ call, scope: 'once' }, TIMEOUT_MS);
      const subject = await prepare(store);
      proxy.rule({ operation: 'PutObject', fault: { type: 'reset-reply', afterBytes: 0 }, times: 1 });
      proxy.rule({ operation: 'HeadObject', fault: { type: 'error', status: 500, code: 'InternalError' } });
      expect(await outcomeOf(() => call.run(subject))).toBe('unavailable');
      await proxy.stop();
    },
  );

  it('needs its deadlines: with the default timeouts of the SDK a black hole swallows a call for good', async () => {
    const proxy = await FaultProxy.start(s3.endpoint);
    const client = s3Client({ ...s3, endpoint: proxy.url });
    const { key } = await prepare(clean);
    const get = new GetObjectCommand({ Bucket: bucket, Key: key });
    proxy.rule({ fault: { type: 'black-hole' } });
    const giveUp = new AbortController();
    const call = client.send(get, { abortSignal: giveUp.signal }).then(
      () => 'ended',
      (error: unknown) => (giveUp.signal.aborted ? 'was given up' : String(error)),
    );
    const waiting = sleep(3 * HANGING_TIMEOUT_MS, 'hangs');
    expect(await Promise.race([call, waiting])).toBe('hangs');
    giveUp.abort();
    expect(await call).toBe('was given up');
    client.destroy();
    await proxy.stop();
  });

  async function open(cell: Cell, timeoutMs: number): Promise<Lane> {
    const proxy = await FaultProxy.start(s3.endpoint);
    const store = new S3Store(storeOptions(s3, bucket, { endpoint: proxy.url, timeoutMs }));
    // What it learns of conditional writes is a call of its own.
    if (!cell.call.unlearned) await store.check();
    return { ...cell, proxy, store };
  }

  /** @returns what came of a spoilt call: in time, true, nothing left open or half written, and working again afterwards */
  async function spoil({ call, proxy, store }: Lane, rule: Rule, timeoutMs: number): Promise<string> {
    const subject = await prepare(store);
    proxy.clear();
    proxy.rule(rule);
    const start = performance.now();
    const outcome = await outcomeOf(() => call.run(subject));
    const took = performance.now() - start;
    if (!proxy.seen.some(({ fault }) => fault)) return 'the fault did not come up';
    if (took > timeoutMs + SLACK_MS) return `${outcome} after ${took} ms`;
    const half = await halfWritten(subject.key);
    if (half !== undefined) return half;
    for (let waited = 0; proxy.held > 0; waited += 20) {
      if (waited > SLACK_MS) return `${proxy.held} connections are still open`;
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

  /** @returns how many bytes an object of the call has where they are not those of a whole one */
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
