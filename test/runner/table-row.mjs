import { relative } from 'node:path';
import { SERVERS } from './s3-server.mjs';

/** A line for the table of docs/buckets.md. */
export function tableRow(target, { version }, results, { ifMatch, races, reads }) {
  const name = [SERVERS[target]?.title ?? new URL(target).host, version].filter(Boolean).join(' ');
  const failed = failuresOf(results);
  const cells = [
    name,
    new Date().toISOString().slice(0, 10),
    ifMatch === 'none' ? 'ignored' : `${ifMatch} etags; ${brokenOf(races)}`,
    `${reads.discarded} of ${reads.reads} discarded, ${reads.torn} torn, ${reads.mixed} mixed, ${reads.failed} failed`,
    `${results.numPassedTests} passed, ${failed.length} failed`,
    failed.join('; ') || '–',
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function brokenOf(races) {
  const sum = (count) => races.reduce((total, race) => total + count(race), 0);
  const broken = sum(({ severalWinners, noWinner, lostWinner }) => severalWinners + noWinner + lostWinner);
  return `${broken} of ${sum(({ rounds }) => rounds)} races lost a write`;
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
