import { statfs } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { OutboxReport } from '../outbox/outbox.js';
import type { StorageReport } from '../storage/health/storage-report.js';

type Labels = Record<string, string>;
type Values = readonly (readonly [Labels, number])[];

interface Source {
  labels?: string[];
  /** Called at each scrape. */
  read: () => Values;
}

/** Registers a gauge that is read at each scrape. */
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

/** Registers a counter whose value is kept elsewhere since the start of the process. */
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

/** @param read gives the number of answers from memory, by method and status */
export function registerHotAnswers(
  registry: Registry,
  read: () => Readonly<Record<string, Readonly<Record<string, number>>>>,
): void {
  registerCounter(
    registry,
    'visage_http_hot_answers_total',
    'Requests answered from memory. The other metrics of requests do not count them.',
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
  /** Connections ended early, by reason. */
  cuts: Readonly<Record<string, number>>;
}

export function registerConnections(registry: Registry, read: () => ConnectionsReading): void {
  registerGauge(
    registry,
    'visage_http_connections',
    'Open connections. More than MAX_CONNECTIONS are refused.',
    { read: () => [[{}, read().open]] },
  );
  registerGauge(
    registry,
    'visage_http_untaken_answer_bytes',
    'Memory of answers that clients have not taken yet. A picture sent to several clients counts once.',
    { read: () => [[{}, read().untakenBytes]] },
  );
  registerCounter(registry, 'visage_http_connections_cut_total', 'Connections ended early, by reason.', {
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

/** @param read gives the usage of each cache by its name */
export function registerCaches(registry: Registry, read: () => Record<string, CacheReading>): void {
  const each = (valueOf: (cache: CacheReading) => number): Source => ({
    labels: ['cache'],
    read: () => Object.entries(read()).map(([cache, reading]) => [{ cache }, valueOf(reading)] as const),
  });
  registerCounter(registry, 'visage_cache_lookups_total', 'Lookups in the caches, by result.', {
    labels: ['cache', 'result'],
    read: () =>
      Object.entries(read()).flatMap(([cache, { hits, misses }]) => [
        [{ cache, result: 'hit' }, hits] as const,
        [{ cache, result: 'miss' }, misses] as const,
      ]),
  });
  registerGauge(
    registry,
    'visage_cache_entries',
    'Entries in the cache.',
    each(({ entries }) => entries),
  );
  registerGauge(
    registry,
    'visage_cache_bytes',
    'Size of the entries in the cache.',
    each(({ bytes }) => bytes),
  );
}

/** @param read gives the number of manifests that have vanished from the storage */
export function registerVanished(registry: Registry, read: () => number): void {
  registerCounter(
    registry,
    'visage_manifests_vanished_total',
    'Manifests that have vanished from the storage. Visage itself never deletes one.',
    { read: () => [[{}, read()]] },
  );
}

export function registerDiscardedReads(registry: Registry, read: () => number): void {
  registerCounter(
    registry,
    'visage_storage_discarded_reads_total',
    'Reads that gave other bytes than were stored. They were discarded, and read again.',
    { read: () => [[{}, read()]] },
  );
}

/** @param read gives how often a default stood in for a picture */
export function registerStandIns(registry: Registry, read: () => number): void {
  registerCounter(
    registry,
    'visage_storage_stand_ins_total',
    'Defaults in place of a picture, because the storage was away.',
    { read: () => [[{}, read()]] },
  );
}

/** @param read gives the pictures in each line */
export function registerTurns(
  registry: Registry,
  read: () => Record<string, { active: number; waiting: number }>,
): void {
  registerGauge(
    registry,
    'visage_image_turns',
    'Pictures being made, and pictures waiting for a turn. If more than IMAGE_QUEUE wait, they are refused.',
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

/** What the purges of a CDN came to, and how many avatars wait for one. */
export interface PurgesReading {
  counts: Readonly<Record<string, number>>;
  waiting: number;
}

export function registerPurges(registry: Registry, read: () => PurgesReading): void {
  registerCounter(
    registry,
    'visage_cdn_purges_total',
    'Purges of the CDN, by outcome: calls that were accepted or failed, and changes that are not purged after all.',
    {
      labels: ['outcome'],
      read: () => Object.entries(read().counts).map(([outcome, count]) => [{ outcome }, count] as const),
    },
  );
  registerGauge(
    registry,
    'visage_cdn_purges_waiting',
    'Avatars that wait to be purged from the CDN, also once more. More than CDN_QUEUE are dropped.',
    { read: () => [[{}, read().waiting]] },
  );
}

/** @param read gives the number of uploads in progress */
export function registerUploads(registry: Registry, read: () => number): void {
  registerGauge(
    registry,
    'visage_uploads_under_way',
    'Uploads being received or processed. More than UPLOAD_CONCURRENCY are refused.',
    { read: () => [[{}, read()]] },
  );
}

const CONDITIONAL_WRITES = ['honoured', 'unreliable', 'emulated', 'unknown'] as const;

/** @param read gives the last report; undefined before the first one */
export function registerStorage(registry: Registry, read: () => StorageReport | undefined): void {
  registerGauge(
    registry,
    'visage_storage_reachable',
    'Whether the storage could be used at the last check: 1 or 0.',
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
    'How the storage treats conditional writes: 1 for the current kind, 0 for the others.',
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
  /** Limit of the entries, including those set aside. */
  maxEntries: number;
  maxBytes: number;
}

export function registerOutbox(registry: Registry, read: () => OutboxReading): void {
  const add = (name: string, help: string, valueOf: (outbox: OutboxReading) => number) => {
    registerGauge(registry, name, help, { read: () => [[{}, valueOf(read())]] });
  };
  add('visage_outbox_entries', 'Changes accepted but not yet in the bucket.', ({ entries }) => entries);
  add(
    'visage_outbox_bytes',
    'Size of the outbox on disk, including entries set aside.',
    ({ bytes }) => bytes,
  );
  add(
    'visage_outbox_max_entries',
    'Limit of the entries in the outbox, including those set aside.',
    ({ maxEntries }) => maxEntries,
  );
  add('visage_outbox_max_bytes', 'Limit of visage_outbox_bytes.', ({ maxBytes }) => maxBytes);
  add(
    'visage_outbox_oldest_age_seconds',
    'Age of the oldest entry in the outbox; 0 if it is empty.',
    ({ oldestAgeMs }) => oldestAgeMs / 1000,
  );
  add(
    'visage_outbox_set_aside_entries',
    'Changes that cannot be carried out and wait for an operator.',
    ({ setAside }) => setAside,
  );
}

const BREAKER_STATES = ['closed', 'open', 'half_open'] as const;

/** @param read gives the state of the circuit breaker around the store */
export function registerBreaker(registry: Registry, read: () => (typeof BREAKER_STATES)[number]): void {
  registerGauge(
    registry,
    'visage_breaker_state',
    'State of the circuit breaker around the store: 1 for the current state, 0 for the others.',
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
 * Registers the free space of disks, as it was at the previous scrape: a disk that hangs must not block a scrape.
 * @param folders paths of folders by the values of the label
 */
export function registerDisks(registry: Registry, folders: Readonly<Record<string, string>>): void {
  const known = new Map<string, { free: number; size: number }>();
  const look = async ([folder, path]: [string, string]) => {
    try {
      const { bavail, blocks, bsize } = await statfs(path);
      known.set(folder, { free: bavail * bsize, size: blocks * bsize });
    } catch {
      // If the folder is gone, the part that uses it reports that in its metrics and in the log.
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
  registerGauge(registry, 'visage_disk_free_bytes', 'Free space on the disk of a folder.', {
    labels,
    read: () => {
      lookAtAll();
      return each(({ free }) => free);
    },
  });
  registerGauge(registry, 'visage_disk_size_bytes', 'Size of the disk of a folder.', {
    labels,
    read: () => each(({ size }) => size),
  });
}
