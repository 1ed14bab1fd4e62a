import { listAfterChanges } from '../../storage/trials/listing.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

const ROUNDS = 20;

export async function checkListings({ stores: [store], seconds }: Subject): Promise<Verdict[]> {
  const found = await listAfterChanges(store, { rounds: ROUNDS, until: AbortSignal.timeout(seconds * 1000) });
  const { rounds, missing, lingering } = found;
  if (missing + lingering > 0) {
    const advice =
      'Erasures, gc, verify and migrate rely on listings: use a server whose listings are up to date';
    const message = `of ${rounds} objects, ${missing} were not listed after the write, ${lingering} still after the delete`;
    return [failure(message, advice, found)];
  }
  return [ok(`all of ${rounds} objects were listed after the write, and none after the delete`, found)];
}
