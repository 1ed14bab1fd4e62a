import { S3Store } from '../../storage/s3/s3.store.js';
import { type Subject, type Verdict, ok, warning } from './verdict.js';

/** Whether the keys may do more than Visage needs, so far as harmless reads show it. */
export async function checkExcess({ stores: [store] }: Subject): Promise<Verdict[]> {
  if (store instanceof S3Store) {
    const found = await store.excessivePermissions();
    if (found.length > 0) {
      const advice =
        'Give Visage keys of its own, with s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on this bucket only. ' +
        'Some servers let every reader, or the owner, do this much';
      return [warning(`the keys may do more than Visage needs: ${found.join(', and ')}`, advice, { found })];
    }
    return [ok("the keys may neither read the bucket's policy nor list other buckets")];
  }
  if (process.getuid?.() === 0) {
    const advice =
      'Run this, and the service, as a user of its own: root may write everywhere, which proves little';
    return [warning('this is root, who may do more than Visage needs', advice)];
  }
  return [ok('this is not root')];
}
