export interface Sample {
  /** Ends with `_bucket`, `_sum` or `_count` if it belongs to a histogram. */
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Metric {
  type: string;
  help: string;
  samples: Sample[];
}

const SAMPLE = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i;

/**
 * Reads a scrape. @returns its metrics by name
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 * @throws {Error} if it is not in that format
 */
export function readMetrics(text: string): Map<string, Metric> {
  const metrics = new Map<string, Metric>();
  let last: Metric | undefined;
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') metrics.set(name, (last = { type: '', help: rest, samples: [] }));
    else if (keyword === 'TYPE' && last) last.type = rest;
    else last?.samples.push(readSample(line));
  }
  return metrics;
}

/** The sum of all samples with this name and at least these labels. */
export function total(metrics: Map<string, Metric>, name: string, labels: Record<string, string> = {}) {
  return [...metrics.values()]
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}

/** The number of calls to the storage that a service has made, without health checks and the signing of URLs. */
export async function storeCalls(url: string): Promise<number> {
  const metrics = readMetrics(await (await fetch(`${url}/metrics`)).text());
  const name = 'visage_store_call_duration_seconds_count';
  const others = ['check', 'getUrl'].map((operation) => total(metrics, name, { operation }));
  return others.reduce((calls, count) => calls - count, total(metrics, name));
}

function readSample(line: string): Sample {
  const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`not a sample: ${line}`);
  const pairs = [...labels.matchAll(/([a-z_]\w*)="((?:[^"\\]|\\.)*)"/gi)];
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, text])),
    value: value === '+Inf' ? Infinity : Number(value),
  };
}
