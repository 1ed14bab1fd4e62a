import { type Named, type Result, type Verdict, plural } from './verdict.js';

/** How long the name of a check may be. The first line is printed before the others are known. */
const WIDTH = 'conditional-writes'.length;

/** What the checks found so far. */
export class Report {
  readonly verdicts: Named[] = [];

  /** @param say prints a line for people */
  constructor(private readonly say: (line: string) => void) {}

  /** @param check the name of the check, for verdicts that have none of their own */
  add(check: string, found: readonly Verdict[]): void {
    const named = found.map((verdict) => ({ check, ...verdict }));
    this.verdicts.push(...named);
    for (const line of named.flatMap(linesOf)) this.say(line);
  }
}

/** A line for people, and one below it with what to do. */
function linesOf({ check, result, message, advice }: Named): string[] {
  return [
    `${LABELS[result]}  ${check.padEnd(WIDTH)}  ${message}`,
    ...(advice === undefined ? [] : [`${' '.repeat(LABELS.ok.length + WIDTH + 4)}-> ${advice}`]),
  ];
}

/** The last line for people. */
export function sumOf(verdicts: readonly Named[]): string {
  const count = (wanted: Result) => verdicts.filter(({ result }) => result === wanted).length;
  const counts = [
    `${count('ok')} ok`,
    plural(count('warning'), 'warning'),
    plural(count('failure'), 'failure'),
    `${count('skipped')} not checked`,
  ];
  return `doctor: ${counts.join(', ')}`;
}

const LABELS: Record<Result, string> = {
  ok: 'ok     ',
  warning: 'warning',
  failure: 'FAILURE',
  skipped: 'skipped',
};
