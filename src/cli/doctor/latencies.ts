import { ObservedStore, type StoreCall, StoreObserver } from '../../storage/observed.store.js';
import type { StoreOperation } from '../../storage/wrapped.store.js';
import { runRounds, withProbe } from '../../storage/trials/probe-objects.js';
import { type Subject, type Verdict, ok } from './verdict.js';

const ROUNDS = 50;

/** As large as a rendition of 256 px, in bytes. */
const BYTES = 10_000;

/** How long each call takes while no other is under way. */
export async function checkLatencies({ stores: [inner], seconds }: Subject): Promise<Verdict[]> {
  const times = new Times();
  const store = new ObservedStore(inner, times);
  const bytes = Buffer.alloc(BYTES, 1);
  const until = AbortSignal.timeout(seconds * 1000);
  const rounds = await runRounds({ rounds: ROUNDS, until }, () =>
    withProbe(store, async (key) => {
      const { etag } = await store.store(key, bytes, { ifAbsent: true });
      await store.store(key, bytes, { ifMatch: etag });
      await store.get(key);
      await store.exists(key);
      // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only the time counts
      for await (const _ of store.list(key));
    }),
  );
  const measured = times.summary();
  const texts = Object.entries(measured).map(
    ([call, { medianMs, p99Ms }]) => `${call} ${medianMs} / ${p99Ms} ms`,
  );
  return [ok(`${texts.join(', ')} (median / p99 of ${rounds} rounds)`, measured)];
}

class Times extends StoreObserver {
  private readonly calls = new Map<StoreOperation, number[]>();

  override storeCalled({ operation, ms }: StoreCall): void {
    const known = this.calls.get(operation);
    if (known) known.push(ms);
    else this.calls.set(operation, [ms]);
  }

  summary(): Record<string, { medianMs: number; p99Ms: number }> {
    const entries = [...this.calls].map(([operation, times]) => [operation, medianAndP99(times)] as const);
    return Object.fromEntries(entries);
  }
}

/** In ms, rounded to tenths. */
export function medianAndP99(times: readonly number[]): { medianMs: number; p99Ms: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  return { medianMs: tenths(at(0.5)), p99Ms: tenths(at(0.99)) };
}
