import { setTimeout as sleep } from 'node:timers/promises';
import { GuardedStore, StorageCircuit, isCircuitOpen } from '../../src/storage/guarded.store.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { StorageBusy, StorageUnavailable } from '../../src/storage/object-store.js';
import type { S3StoreOptions } from '../../src/storage/s3/s3.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { bucketBehindProxy } from '../support/bucket.js';
import type { Fault, FaultProxy } from '../support/fault-proxy.js';
import { sliceOf } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';

const memory = new MemoryStore();
describeObjectStore('guarded', () =>
  Promise.resolve(new GuardedStore(memory, new StorageCircuit({ failures: 2, resetMs: 1000 }))),
);

describe('a timeout', () => {
  const NEVER = 3_600_000;
  const open = (wait: () => Promise<void>) => {
    class Silent extends MemoryStore {
      override async get(): Promise<never> {
        await wait();
        throw new StorageUnavailable(new Error('no answer'), true);
      }
    }
    return new GuardedStore(new Silent(), new StorageCircuit({ failures: 1, resetMs: NEVER }));
  };

  it('is an outage if this process had time to look for the answer', async () => {
    const store = open(async () => {
      const before = performance.eventLoopUtilization();
      // However busy the machine is: until this process has idled for as long as it has worked.
      do await sleep(10);
      while (performance.eventLoopUtilization(before).utilization > 0.5);
    });
    await expect(store.get('a/b')).rejects.toThrow(StorageUnavailable);
    expect(store.circuit.state).toBe('open');
  });

  it('is the fault of this process if it had none', async () => {
    const store = open(async () => {
      await Promise.resolve();
      const end = performance.now() + 100;
      while (performance.now() < end);
    });
    await expect(store.get('a/b')).rejects.toThrow(StorageBusy);
    expect(store.circuit.state).toBe('closed');
  });
});

/** How a bucket dies. A black hole shows only by a deadline, which a busy machine may miss for good requests too. */
const DEATHS: { name: string; fault: Fault; hangs?: true }[] = [
  { name: 'refuses connections', fault: { type: 'refused' } },
  { name: 'resets them', fault: { type: 'reset-request', afterBytes: 0 } },
  { name: 'answers 503', fault: { type: 'error', status: 503, code: 'SlowDown' } },
  { name: 'is a black hole', fault: { type: 'black-hole' }, hangs: true },
];

/** Longer than any test: an open circuit stays open. */
const NEVER_MS = 3_600_000;

describeS3('GuardedStore', () => {
  const bucket = bucketBehindProxy();
  let proxy: FaultProxy;
  beforeEach(() => (proxy = bucket.proxy()));

  function open(resetMs: number, options: Partial<S3StoreOptions> = {}): GuardedStore {
    return new GuardedStore(bucket.open(options), new StorageCircuit({ failures: 2, resetMs }));
  }

  /** @returns the failure that opens the circuit */
  async function die(store: GuardedStore, fault: Fault): Promise<unknown> {
    proxy.rule({ fault });
    let error: unknown;
    for (let i = 0; i < 2; i++) {
      error = await store.get('a/b').catch((error: unknown) => error);
      expect(error).toBeInstanceOf(StorageUnavailable);
      expect(isCircuitOpen(error)).toBe(false);
    }
    expect(store.circuit.state).toBe('open');
    return error;
  }

  describe.each(sliceOf(DEATHS, ({ hangs }) => !hangs))('of a bucket that $name', ({ fault, hangs }) => {
    const deadline = hangs && { timeoutMs: 10_000 };

    it('asks no more, and tells of the failure that opened the circuit', async () => {
      const store = open(NEVER_MS, deadline);
      const { cause } = (await die(store, fault)) as Error;
      expect(proxy.count()).toBeGreaterThanOrEqual(fault.type === 'refused' ? 1 : 2);
      // A request that was let through would come in, and succeed.
      await proxy.resume();
      proxy.clear();
      const calls = [
        () => store.get('a/b'),
        () => store.exists('a/b'),
        () => store.store('a/b', Buffer.from('x')),
        () => store.delete('a/b'),
        async () => {
          for await (const object of store.list('a/')) throw new Error(object.key);
        },
      ];
      for (const call of calls) {
        const error = await call().catch((error: unknown) => error);
        expect(error).toBeInstanceOf(StorageUnavailable);
        expect(isCircuitOpen(error)).toBe(true);
        expect((error as Error).cause).toBe(cause);
      }
      expect(proxy.count()).toBe(0);
      expect(store.circuit.state).toBe('open');
    });

    it('asks again once it may be back', async () => {
      const store = open(1, deadline);
      await die(store, fault);
      await proxy.resume();
      proxy.clear();
      while (store.circuit.state !== 'closed') await store.get('a/b').catch(() => undefined);
      await expect(store.exists('a/b')).resolves.toBe(true);
    });
  });

  it('takes refusals and failed preconditions for signs of life', async () => {
    const store = open(NEVER_MS);
    proxy.rule({ fault: { type: 'error', status: 403, code: 'AccessDenied' }, times: 5 });
    for (let i = 0; i < 5; i++) await expect(store.get('a/b')).rejects.toThrow();
    for (let i = 0; i < 5; i++) {
      await expect(store.store('a/b', Buffer.from('x'), { ifAbsent: true })).rejects.toThrow();
    }
    expect(store.circuit.state).toBe('closed');
  });

  it('lets the check through while the circuit is open', async () => {
    const store = open(NEVER_MS);
    await die(store, { type: 'error', status: 503, code: 'SlowDown' });
    proxy.clear();
    await expect(store.check()).resolves.toEqual({ conditionalWrites: 'honoured' });
    expect(store.circuit.state).toBe('open');
  });
});
