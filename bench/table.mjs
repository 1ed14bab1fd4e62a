import { median, number, spread } from './stats.mjs';

/** @typedef {{ what: string, value?: number, spread?: string, reach?: Reach, note?: string }} Row */
/** @typedef {{ atMost?: number, atLeast?: number }} Reach */

const HEADINGS = ['what', 'value', 'spread', 'to reach', 'reached', 'note'];

/** A row for ratios that were measured several times: their median. @returns {Row} */
export function ratioRow(what, ratios, reach, note) {
  return { what, value: median(ratios), spread: spread(ratios), reach, note };
}

/** @param {Row[]} rows @returns the table as Markdown */
export function resultTable(rows) {
  return table(
    HEADINGS,
    rows.map(({ what, value, spread: between = '', reach, note = '' }) => [
      what,
      value === undefined ? '' : number(value),
      between,
      reach === undefined ? '' : written(reach),
      reach === undefined || value === undefined ? '' : isReached(value, reach) ? 'yes' : 'no',
      note,
    ]),
  );
}

/** @param {string[]} headings @param {string[][]} rows @returns a table as Markdown */
export function table(headings, rows) {
  const widths = headings.map((heading, i) =>
    Math.max(3, ...[heading, ...rows.map((row) => row[i])].map((text) => text.length)),
  );
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function isReached(value, { atMost = Infinity, atLeast = -Infinity }) {
  return value <= atMost && value >= atLeast;
}

function written({ atMost, atLeast }) {
  return atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
}
