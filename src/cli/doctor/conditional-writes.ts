import { randomUUID } from 'node:crypto';
import { PROBES } from '../../model/keys.js';
import { PreconditionFailed } from '../../storage/object-store.js';
import { S3Store } from '../../storage/s3/s3.store.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

export const ONE_REPLICA =
  'Run ONE replica only: with more, simultaneous uploads of one avatar get lost. To run more, move to a server that keeps conditional writes';

/** Tries conditional writes one after the other, over two stores that know nothing of one another. */
export async function checkConditionalWrites({ stores: [one, other] }: Subject): Promise<Verdict[]> {
  // Asked for a disk, it would also tidy up, as the service does.
  if (one instanceof S3Store && (await one.check()).conditionalWrites === 'emulated') {
    return [failure('the server ignores If-None-Match and If-Match, or refuses them', ONE_REPLICA)];
  }
  const key = `${PROBES}${randomUUID()}`;
  const write = async (store: typeof one, text: string, options: { ifAbsent?: true; ifMatch?: string }) => {
    try {
      return (await store.store(key, Buffer.from(text), options)).etag;
    } catch (error) {
      if (error instanceof PreconditionFailed) return undefined;
      throw error;
    }
  };
  const wrong: string[] = [];
  try {
    const first = await write(one, 'first', { ifAbsent: true });
    if (first === undefined) wrong.push('a write if absent was refused, though there was no object');
    if (await write(other, 'second', { ifAbsent: true })) wrong.push('a write if absent replaced an object');
    const replaced = await write(other, 'third', { ifMatch: first ?? '' });
    if (replaced === undefined) wrong.push('a write with the right etag was refused');
    if (await write(one, 'fourth', { ifMatch: first ?? '' }))
      wrong.push('a write with an outdated etag replaced an object');
  } finally {
    await one.delete(key);
  }
  if (wrong.length > 0) return [failure(wrong.join('; '), ONE_REPLICA)];
  return [ok('they hold one after the other: if absent, and if the etag matches')];
}
