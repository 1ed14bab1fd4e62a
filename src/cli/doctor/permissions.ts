import { randomUUID } from 'node:crypto';
import { PROBES } from '../../model/keys.js';
import { type ObjectStore, StorageRefused } from '../../storage/object-store.js';
import { causeOf } from '../command.js';
import { type Named, type Subject, type Verdict, failure, ok, skipped } from './verdict.js';

/** What to grant, by the name of the check. */
const GRANTS = {
  list: 's3:ListBucket on the bucket',
  read: 's3:GetObject on its objects',
  write: 's3:PutObject on its objects',
  delete: 's3:DeleteObject on its objects',
} as const;

type Permission = keyof typeof GRANTS;

/** Tries each permission by itself. Writes only if it may delete, and so can leave nothing behind. */
export async function checkPermissions({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  const key = `${PROBES}${randomUUID()}`;
  const adviceOn = (grants: string) =>
    settings.storageBackend === 's3'
      ? `Grant ${grants} to the keys`
      : 'Let the user of the service own the folder';
  const judge = (permission: Permission, refusal: string | undefined): Named => {
    if (refusal === undefined) return { check: permission, ...ok(`may ${permission}`) };
    return {
      check: permission,
      ...failure(`may not ${permission}: ${refusal}`, adviceOn(GRANTS[permission])),
    };
  };

  const mayList = await refusalOf(() => store.list(PROBES)[Symbol.asyncIterator]().next());
  const mayDelete = await refusalOf(() => store.delete(key));
  const bytes = Buffer.from('written by Visage to try its permissions, and removed at once');
  const mayWrite = mayDelete ?? (await refusalOf(() => store.store(key, bytes)));
  const mayRead = await refusalOf(() => store.get(key));
  const refusals = [mayList, mayRead, mayWrite, mayDelete];
  if (mayList !== undefined && refusals.every((refusal) => refusal === mayList)) {
    const advice = adviceOn(Object.values(GRANTS).join(', '));
    return [failure(`may not list, read, write or delete: ${mayList}`, advice)];
  }
  const verdicts = [judge('list', mayList)];
  // AWS calls an object forbidden that is not there, unless the keys may list.
  const unknown = mayRead !== undefined && mayWrite !== undefined && mayList !== undefined;
  const untold = 'there was no object to try it with, and without the permission to list that looks the same';
  verdicts.push(unknown ? { check: 'read', ...skipped(untold) } : judge('read', mayRead));
  if (mayDelete !== undefined) {
    const message = 'not tried, because nothing that was written could be deleted';
    return [...verdicts, { check: 'write', ...skipped(message) }, judge('delete', mayDelete)];
  }
  verdicts.push(judge('write', mayWrite));
  if (mayWrite !== undefined) return [...verdicts, judge('delete', undefined)];
  return [...verdicts, await judgeRemoval(store, key, judge)];
}

/** Some servers look at the permission only if there is an object to delete. */
async function judgeRemoval(
  store: ObjectStore,
  key: string,
  judge: (permission: Permission, refusal: string | undefined) => Named,
): Promise<Named> {
  const refusal = await refusalOf(() => store.delete(key));
  const verdict = judge('delete', refusal);
  if (refusal === undefined) return verdict;
  return { ...verdict, message: `${verdict.message}. ${key} is left behind: remove it` };
}

/** @returns why the storage refused a call; undefined if it did not */
async function refusalOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (error instanceof StorageRefused) return causeOf(error);
    throw error;
  }
}
