export function median(values) {
  return percentile(values, 0.5);
}

/** @param {number} share 0-1, by the nearest rank */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Between which values eight of ten lie; of few, all. */
export function spread(values) {
  return `${number(percentile(values, 0.1))} to ${number(percentile(values, 0.9))}`;
}

export function number(value) {
  return value.toFixed(Math.abs(value) < 20 ? 2 : 0);
}

/** How much y grows with each x, by least squares. */
export function slope(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map((point) => point[0])), mean(points.map((point) => point[1]))];
  const products = points.map((point) => (point[0] - x) * (point[1] - y));
  const squares = points.map((point) => (point[0] - x) ** 2);
  return mean(products) / mean(squares);
}

/** @returns ms */
export async function timed(task) {
  const started = performance.now();
  await task();
  return performance.now() - started;
}

/**
 * Two tasks in turn, each the first as often as the other, so that what disturbs the machine disturbs both.
 * @param {{ own: (round: number) => Promise<unknown>, other: (round: number) => Promise<unknown>, rounds: number, warmups?: number,
 *   settle?: (round: number) => Promise<unknown> }} options `settle`: what has to be over after `own`, and is not measured
 * @returns ratios of their times, own by other, and the times in ms
 */
export async function interleave({ own, other, rounds, warmups = 2, settle = async () => {} }) {
  const times = { own: [], other: [] };
  for (let round = 0; round < rounds + warmups; round++) {
    const first = round % 2 === 0;
    const before = first ? undefined : await timed(() => other(round));
    const mine = await timed(() => own(round));
    await settle(round);
    const theirs = before ?? (await timed(() => other(round)));
    if (round < warmups) continue;
    times.own.push(mine);
    times.other.push(theirs);
  }
  return { ...times, ratios: times.own.map((time, i) => time / times.other[i]) };
}

/** Runs a task again and again in so many loops at once, for so long. @returns how often a second it ended */
export async function closedLoop(task, { loops, seconds }) {
  const started = performance.now();
  let ended = 0;
  const loop = async () => {
    while (performance.now() - started < seconds * 1000) {
      await task();
      ended++;
    }
  };
  await Promise.all(Array.from({ length: loops }, loop));
  return ended / ((performance.now() - started) / 1000);
}

/** Does a task for each number below `count`, so many at once. */
export async function forEach(count, loops, task) {
  let next = 0;
  const loop = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: loops }, loop));
}
