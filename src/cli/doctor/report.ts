import type { Named, Result } from './verdict.js';

/** The report for people: a line for each verdict, and one below it with what to do. */
export function linesOf(verdicts: readonly Named[]): string[] {
  const width = Math.max(...verdicts.map(({ check }) => check.length));
  const lines = verdicts.flatMap(({ check, result, message, advice }) => [
    `${LABELS[result]}  ${check.padEnd(width)}  ${message}`,
    ...(advice === undefined ? [] : [`${' '.repeat(LABELS.ok.length + width + 4)}-> ${advice}`]),
  ]);
  const count = (wanted: Result) => verdicts.filter(({ result }) => result === wanted).length;
  const counts = [
    `${count('ok')} ok`,
    plural(count('warning'), 'warning'),
    plural(count('failure'), 'failure'),
    `${count('skipped')} not checked`,
  ];
  return [...lines, `doctor: ${counts.join(', ')}`];
}

/** The report for programs. */
export function factsOf(verdicts: readonly Named[], storage: string | undefined): Record<string, unknown> {
  return { ...(storage !== undefined && { storage }), checks: verdicts };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const LABELS: Record<Result, string> = {
  ok: 'ok     ',
  warning: 'warning',
  failure: 'FAILURE',
  skipped: 'skipped',
};
