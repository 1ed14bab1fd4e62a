// How long each test file takes, in `times.json`: a run of everything says what has grown since. It never fails for it, because time
// depends on the machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const TABLE = 'test/runner/times.json';

/** How long `npm test` may take on two quiet cores, in s. */
const BUDGET_S = 240;

/** A file has grown if it takes so many times as long as in the table, and so much longer, in s. */
const GROWN = 2;
const GROWN_S = 5;

/** @returns {Map<string, number>} the time of each file in s, by its path */
function timesOf({ testResults }) {
  return new Map(
    testResults
      .map(({ name, startTime, endTime }) => [relative('.', name), (endTime - startTime) / 1000])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Writes the table. */
export function recordTimes(results) {
  const rounded = [...timesOf(results)].map(([path, s]) => [path, Number(s.toFixed(1))]);
  writeFileSync(TABLE, `${JSON.stringify(Object.fromEntries(rounded), undefined, 2)}\n`);
  console.log(`wrote ${TABLE}`);
}

/**
 * Says how a run of everything compares with the table.
 * @param {object} results Jest's
 * @param {number} seconds that the whole run took
 */
export function reportTimes(results, seconds) {
  const table = new Map(Object.entries(JSON.parse(readFileSync(TABLE, 'utf8'))));
  const times = timesOf(results);
  const slower = slownessOf(times, table);
  console.log(
    `npm test took ${Math.round(seconds)} s, its files ${slower.toFixed(1)} times as long as in ${TABLE}`,
  );
  for (const [path, s] of times) {
    const [now, before] = [s / slower, table.get(path)];
    if (before === undefined) console.log(`new: ${path} ${now.toFixed(1)} s`);
    else if (now > GROWN * before && now > before + GROWN_S)
      console.log(`grown: ${path} from ${before} to ${now.toFixed(1)} s`);
  }
  if (seconds > BUDGET_S) console.log(`ABOVE THE BUDGET of ${BUDGET_S} s on two quiet cores`);
}

/** How many times as long as in the table the files take: the median, which a few that have grown don't change. */
function slownessOf(times, table) {
  const ratios = [...times]
    .filter(([path]) => (table.get(path) ?? 0) >= 1)
    .map(([path, s]) => s / table.get(path))
    .sort((a, b) => a - b);
  return ratios[Math.floor(ratios.length / 2)] ?? 1;
}
