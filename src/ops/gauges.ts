import { statfs } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { OutboxReport } from '../outbox/outbox.js';
import type { StorageReport } from './storage-health.js';

type Labels = Record<string, string>;
type Values = readonly (readonly [Labels, number])[];

interface Source {
  labels?: string[];
  /** Asked at each scrape. */
  read: () => Values;
}

export function registerGauge(registry: Registry, name: string, help: string, source: Source): void {
  new Gauge({
    name,
    help,
    labelNames: source.labels ?? [],
    registers: [registry],
    collect() {
      for (const [labels, value] of source.read()) this.set(labels, value);
    },
  });
}

/** For what is counted elsewhere since the start of the process. */
export function registerCounter(registry: Registry, name: string, help: string, source: Source): void {
  new Counter({
    name,
    help,
    labelNames: source.labels ?? [],
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of source.read()) this.inc(labels, value);
    },
  });
}

/** @param read how many answers were given again from memory, by method and status */
export function registerHotAnswers(
  registry: Registry,
  read: () => Readonly<Record<string, Readonly<Record<string, number>>>>,
): void {
  registerCounter(
    registry,
    'visage_http_hot_answers_total',
    'Requests answered from memory before they are measured; none of the other metrics of requests has them.',
    {
      labels: ['method', 'status'],
      read: () =>
        Object.entries(read()).flatMap(([method, counts]) =>
          Object.entries(counts).map(
            ([status, count]) => [{ method, status: `${status[0]}xx` }, count] as const,
          ),
        ),
    },
  );
}

export interface ConnectionsReading {
  open: number;
  /** Memory of answers that clients have not taken yet. */
  untakenBytes: number;
  /** Connections that were ended, by the reason. */
  cuts: Readonly<Record<string, number>>;
}

export function registerConnections(registry: Registry, read: () => ConnectionsReading): void {
  registerGauge(
    registry,
    'visage_http_connections',
    'Connections that are open; more than MAX_CONNECTIONS are refused.',
    { read: () => [[{}, read().open]] },
  );
  registerGauge(
    registry,
    'visage_http_untaken_answer_bytes',
    'Memory of answers that clients have not taken yet; what several are sent counts once.',
    { read: () => [[{}, read().untakenBytes]] },
  );
  registerCounter(registry, 'visage_http_connections_cut_total', 'Connections ended early, by the reason.', {
    labels: ['reason'],
    read: () => Object.entries(read().cuts).map(([reason, count]) => [{ reason }, count] as const),
  });
}

export interface CacheReading {
  hits: number;
  misses: number;
  entries: number;
  bytes: number;
}

/** @param read the usage of each cache by its name */
export function registerCaches(registry: Registry, read: () => Record<string, CacheReading>): void {
  const each = (valueOf: (cache: CacheReading) => number): Source => ({
    labels: ['cache'],
    read: () => Object.entries(read()).map(([cache, reading]) => [{ cache }, valueOf(reading)] as const),
  });
  registerCounter(
    registry,
    'visage_cache_lookups_total',
    'What was looked for in memory, and found or not.',
    {
      labels: ['cache', 'result'],
      read: () =>
        Object.entries(read()).flatMap(([cache, { hits, misses }]) => [
          [{ cache, result: 'hit' }, hits] as const,
          [{ cache, result: 'miss' }, misses] as const,
        ]),
    },
  );
  registerGauge(
    registry,
    'visage_cache_entries',
    'Things kept in memory.',
    each(({ entries }) => entries),
  );
  registerGauge(
    registry,
    'visage_cache_bytes',
    'Their size.',
    each(({ bytes }) => bytes),
  );
}

/** @param read manifests that were in the storage and are there no more */
export function registerVanished(registry: Registry, read: () => number): void {
  registerCounter(
    registry,
    'visage_manifests_vanished_total',
    'Manifests that were in the storage and are gone, which Visage itself never deletes.',
    { read: () => [[{}, read()]] },
  );
}

/** @param read pictures in each of the lines */
export function registerTurns(
  registry: Registry,
  read: () => Record<string, { active: number; waiting: number }>,
): void {
  registerGauge(
    registry,
    'visage_image_turns',
    'Pictures being worked on, and pictures waiting for that; more than IMAGE_QUEUE are refused.',
    {
      labels: ['line', 'state'],
      read: () =>
        Object.entries(read()).flatMap(([line, { active, waiting }]) => [
          [{ line, state: 'active' }, active] as const,
          [{ line, state: 'waiting' }, waiting] as const,
        ]),
    },
  );
}

/** @param read uploads under way; more than UPLOAD_CONCURRENCY are refused */
export function registerUploads(registry: Registry, read: () => number): void {
  registerGauge(
    registry,
    'visage_uploads_under_way',
    'Uploads arriving or being worked on; more than UPLOAD_CONCURRENCY are refused.',
    { read: () => [[{}, read()]] },
  );
}

const CONDITIONAL_WRITES = ['honoured', 'emulated', 'unknown'] as const;

/** @param read what was found last; undefined before the first answer */
export function registerStorage(registry: Registry, read: () => StorageReport | undefined): void {
  registerGauge(
    registry,
    'visage_storage_reachable',
    'Whether the storage could be used when it was asked last.',
    {
      labels: ['backend'],
      read: () => {
        const report = read();
        return report ? [[{ backend: report.backend }, Number(report.reachable)]] : [];
      },
    },
  );
  registerGauge(
    registry,
    'visage_storage_conditional_writes',
    'What the conditional writes of the storage are worth: 1 for that, 0 for the others.',
    {
      labels: ['kind'],
      read: () => {
        const current = read()?.conditionalWrites ?? 'unknown';
        return CONDITIONAL_WRITES.map((kind) => [{ kind }, Number(kind === current)] as const);
      },
    },
  );
}

export interface OutboxReading extends OutboxReport {
  /** With as many, what was set aside included, no more are taken. */
  maxEntries: number;
  maxBytes: number;
}

export function registerOutbox(registry: Registry, read: () => OutboxReading): void {
  const add = (name: string, help: string, valueOf: (outbox: OutboxReading) => number) => {
    registerGauge(registry, name, help, { read: () => [[{}, valueOf(read())]] });
  };
  add('visage_outbox_entries', 'Changes accepted and not yet in the bucket.', ({ entries }) => entries);
  add('visage_outbox_bytes', 'Their size on disk, what was set aside included.', ({ bytes }) => bytes);
  add(
    'visage_outbox_max_entries',
    'How many there may be at most, what was set aside included.',
    ({ maxEntries }) => maxEntries,
  );
  add('visage_outbox_max_bytes', 'How large they may be at most.', ({ maxBytes }) => maxBytes);
  add(
    'visage_outbox_oldest_age_seconds',
    'Age of the oldest of them; 0 where there are none.',
    ({ oldestAgeMs }) => oldestAgeMs / 1000,
  );
  add(
    'visage_outbox_set_aside_entries',
    'Changes that cannot be replayed, kept for the operator to look at.',
    ({ setAside }) => setAside,
  );
}

const BREAKER_STATES = ['closed', 'open', 'half_open'] as const;

/** @param read the state of the circuit breaker around the store */
export function registerBreaker(registry: Registry, read: () => (typeof BREAKER_STATES)[number]): void {
  registerGauge(
    registry,
    'visage_breaker_state',
    'The circuit breaker around the store: 1 for the state that it is in, 0 for the others.',
    {
      labels: ['state'],
      read: () => {
        const current = read();
        return BREAKER_STATES.map((state) => [{ state }, Number(state === current)] as const);
      },
    },
  );
}

/**
 * Room on the disks of these folders, as it was at the scrape before: a disk that hangs must not hold a scrape up.
 * @param folders paths by the names that the label has
 */
export function registerDisks(registry: Registry, folders: Readonly<Record<string, string>>): void {
  const known = new Map<string, { free: number; size: number }>();
  const look = async ([folder, path]: [string, string]) => {
    try {
      const { bavail, blocks, bsize } = await statfs(path);
      known.set(folder, { free: bavail * bsize, size: blocks * bsize });
    } catch {
      // That a folder is gone is told by the metrics and the log of what is kept in it.
      known.delete(folder);
    }
  };
  const lookAtAll = () => {
    for (const folder of Object.entries(folders)) void look(folder);
  };
  lookAtAll();
  const each = (valueOf: (disk: { free: number; size: number }) => number): Values =>
    [...known].map(([folder, disk]) => [{ folder }, valueOf(disk)] as const);
  const labels = ['folder'];
  registerGauge(registry, 'visage_disk_free_bytes', 'Room left on the disk of a folder.', {
    labels,
    read: () => {
      lookAtAll();
      return each(({ free }) => free);
    },
  });
  registerGauge(registry, 'visage_disk_size_bytes', 'The size of that disk.', {
    labels,
    read: () => each(({ size }) => size),
  });
}
