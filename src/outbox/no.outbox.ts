import { Outbox, type OutboxLimits, type OutboxReport } from './outbox.js';

/** Where nothing may wait: changes fail while the store is away. */
export class NoOutbox extends Outbox {
  readonly enabled = false;
  readonly limits: OutboxLimits = { maxEntries: 0, maxBytes: 0, maxAgeMs: 0 };

  adopt(): Promise<void> {
    return Promise.resolve();
  }

  entries(): never[] {
    return [];
  }

  entriesOf(): readonly never[] {
    return NOTHING;
  }

  attachmentOf(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  add(): Promise<never> {
    return Promise.reject(new Error('nothing may wait: ask `enabled` first'));
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  setAside(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  report(): OutboxReport {
    return { entries: 0, bytes: 0, oldestAgeMs: 0, setAside: 0 };
  }
}

const NOTHING: readonly never[] = [];
