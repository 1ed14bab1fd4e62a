import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, register } from 'prom-client';
import { ERROR_CODES } from '../errors.js';
import type { PictureAttempt, PictureObserver } from '../images/observed.pipeline.js';
import type { StoreCall, StoreObserver } from '../storage/observed.store.js';

/** A value, or values by label: one level for each label. */
export type Reading = number | { readonly [label: string]: Reading };

/** A metric whose value is kept elsewhere; that of a counter, since the start of the process. */
interface MetricRow {
  type: 'counter' | 'gauge';
  help: string;
  labels?: readonly string[];
  /** Called at each scrape, which must not wait. */
  read: () => Reading;
}

export interface AnsweredRequest {
  method: string;
  /**
   * The pattern that the path matched, such as `/v1/avatars/:id`; undefined if none did. Never the path
   * itself.
   */
  route: string | undefined;
  status: number;
  /** The `code` of the problem, if the answer was one. */
  problem: string | undefined;
  ms: number;
}

/**
 * Buckets in seconds. A hot read takes less than the first, an upload from a slow phone more than the last
 * but one.
 */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Outcomes of uploads by status. All other answers are `refused`. */
const UPLOADS = new Map([
  [201, 'created'],
  [200, 'same'],
  [202, 'queued'],
]);

const REFUSED = 'refused';

/** Outcomes of making a picture: the codes say why there is none. */
const PICTURES = [
  'made',
  'internal',
  'busy',
  'image_too_large',
  'invalid_crop',
  'invalid_rotate',
  'unreadable_image',
  'unsupported_image',
];

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);

/**
 * Counts what happens in the service, for Prometheus. No label may hold anything that a client can make up,
 * such as an id: the process keeps each combination of labels as long as it lives.
 */
export class Metrics implements StoreObserver, PictureObserver {
  readonly registry = Registry.merge([metricsOfProcess()]);
  private readonly requests = this.histogram(
    'visage_http_request_duration_seconds',
    'Time from the first byte of a request to the last byte of its answer.',
    ['method', 'route', 'status'],
  );
  private readonly problems = this.counter(
    'visage_http_problems_total',
    'Requests answered with a problem, by code.',
    ['code'],
  );
  private readonly uploads = this.counter('visage_uploads_total', 'Uploads answered, by outcome.', [
    'outcome',
  ]);
  private readonly storeCalls = this.histogram(
    'visage_store_call_duration_seconds',
    'Time of calls to the object store, including retries and reading back.',
    ['operation', 'outcome'],
  );
  private readonly pictures = this.counter(
    'visage_pictures_total',
    'Attempts to make a master, a rendition or a sheet, by outcome.',
    ['kind', 'outcome'],
  );
  private readonly pictureTimes = this.histogram(
    'visage_picture_duration_seconds',
    'Time to make a master, a rendition or a sheet, including the wait for a turn.',
    ['kind'],
  );

  constructor() {
    // Counters start at 0: `increase` and `rate` would miss the first event of a counter that starts with it.
    for (const code of ERROR_CODES) this.problems.inc({ code }, 0);
    for (const outcome of [...UPLOADS.values(), REFUSED]) this.uploads.inc({ outcome }, 0);
    for (const kind of ['master', 'rendition', 'sheet']) {
      for (const outcome of PICTURES) this.pictures.inc({ kind, outcome }, 0);
    }
  }

  /** @param table the metrics by name. They are read at each scrape */
  show(table: Readonly<Record<string, MetricRow>>): void {
    for (const [name, { type, help, labels = [], read }] of Object.entries(table)) {
      const Kind = type === 'counter' ? Counter : Gauge;
      new Kind({
        name,
        help,
        labelNames: labels,
        registers: [this.registry],
        collect() {
          this.reset();
          for (const [values, value] of samplesOf(read(), labels)) this.inc(values, value);
        },
      });
    }
  }

  requestAnswered({ method, route = 'none', status, problem, ms }: AnsweredRequest): void {
    const labels = {
      method: METHODS.has(method) ? method : 'other',
      route,
      status: `${Math.floor(status / 100)}xx`,
    };
    this.requests.observe(labels, ms / 1000);
    if (problem !== undefined) this.problems.inc({ code: problem });
    if (route === '/v1/avatars/:id' && (method === 'PUT' || method === 'POST')) {
      this.uploads.inc({ outcome: UPLOADS.get(status) ?? REFUSED });
    }
  }

  storeCalled({ operation, outcome, ms }: StoreCall): void {
    this.storeCalls.observe({ operation, outcome }, ms / 1000);
  }

  pictureAttempted({ kind, outcome, ms }: PictureAttempt): void {
    this.pictures.inc({ kind, outcome });
    if (outcome === 'made') this.pictureTimes.observe({ kind }, ms / 1000);
  }

  private counter<T extends string>(name: string, help: string, labelNames: T[]): Counter<T> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private histogram<T extends string>(name: string, help: string, labelNames: T[]): Histogram<T> {
    return new Histogram({ name, help, labelNames, registers: [this.registry], buckets: SECONDS });
  }
}

/** The values of a reading, each with its labels. */
function* samplesOf(
  reading: Reading,
  [label = '', ...deeper]: readonly string[],
  labels: Record<string, string> = {},
): Iterable<[Record<string, string>, number]> {
  if (typeof reading === 'number') yield [labels, reading];
  else {
    for (const [value, inner] of Object.entries(reading)) {
      yield* samplesOf(inner, deeper, { ...labels, [label]: value });
    }
  }
}

/**
 * Of its heap and event loop. They are observed once and never let go, however many services run in the
 * process.
 */
function metricsOfProcess(): Registry {
  if (register.getMetricsAsArray().length === 0) collectDefaultMetrics();
  return register;
}
