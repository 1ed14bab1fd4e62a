import { readBesideWrites } from '../../storage/trials/reads-beside-writes.js';
import { ONE_REPLICA } from './conditional-writes.js';
import { type Subject, type Verdict, failure, ok, plural, warning } from './verdict.js';

/**
 * The share of discarded reads from which on the server is no good for busy avatars. Below it, hardly anybody
 * notices.
 */
const FAILURE_SHARE = 0.01;

/** Reads an object while others replace it: half as long as races go on. */
export async function checkReads({ stores: [store], seconds, discardedReads }: Subject): Promise<Verdict[]> {
  const until = AbortSignal.timeout(seconds * 500);
  const found = await readBesideWrites(store, { until, discarded: discardedReads });
  const { reads, discarded, torn, mixed, failed, cause } = found;
  const all = `${plural(reads, 'read')} beside ${2 * found.rounds} writes`;
  if (torn > 0) {
    const advice =
      'Do not use this storage: it gives bytes that nobody wrote, and nothing about them shows it';
    return [failure(`${torn} of ${all} were not whole`, advice, found)];
  }
  if (mixed > 0) {
    const advice = `${ONE_REPLICA}. Nothing in these answers shows the fault, so Visage cannot repeat them`;
    return [failure(`${mixed} of ${all} had the etag of another write`, advice, found)];
  }
  if (failed > 0) {
    const advice = discarded > 0 ? REPEATS : 'Look at the load of the storage, and at the network';
    return [failure(`${failed} of ${all} failed: ${String(cause)}`, advice, found)];
  }
  if (discarded > 0) {
    const message = `${all}: ${plural(discarded, 'answer')} had bytes of another write than their etag`;
    const verdict = discarded > reads * FAILURE_SHARE ? failure : warning;
    return [verdict(message, REPEATS, found)];
  }
  return [ok(`${all} were whole`, found)];
}

const REPEATS =
  'Visage discards such answers and asks again, so nothing gets lost, but it takes time, and other programs that read the bucket are ' +
  'deceived: use a server that keeps bytes and etag together';
