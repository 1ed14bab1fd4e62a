import { relative } from 'node:path';
import { SERVERS } from './s3-server.mjs';

/** A line for the table of docs/buckets.md. */
export function tableRow(target, { version }, results, { probe, races, reads }) {
  const name = [SERVERS[target]?.title ?? new URL(target).host, version].filter(Boolean).join(' ');
  const failed = failuresOf(results);
  const cells = [
    name,
    new Date().toISOString().slice(0, 10),
    probe === 'none' ? 'ignored' : `${probe} etags; ${races.twice} of ${races.rounds} races had two winners`,
    `${reads.mixed + reads.mismatched} of ${reads.count} wrong, ${reads.broken} broke off`,
    `${results.numPassedTests} passed, ${failed.length} failed`,
    failed.join('; '),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The names of the tests that failed, and of the files that could not be run. */
function failuresOf({ testResults }) {
  return testResults.flatMap(({ name, assertionResults, status }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed')
      .map(({ fullName }) => fullName);
    return failed.length === 0 && status === 'failed' ? [relative('.', name)] : failed;
  });
}
