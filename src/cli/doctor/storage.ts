import { PROBES } from '../../model/keys.js';
import { StorageRefused, StorageUnavailable } from '../../storage/object-store.js';
import { causeOf } from '../command.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

/** Whether the storage answers at all. A refusal is an answer: the permissions are checked later, one by one. */
export async function checkStorage({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  try {
    await store.list(PROBES)[Symbol.asyncIterator]().next();
  } catch (error) {
    if (error instanceof StorageUnavailable) {
      const advice =
        settings.storageBackend === 'local'
          ? 'Set STORAGE_LOCAL_PATH to the folder with the avatars. If this is a new installation, make the folder'
          : 'Fix the cause and run this again';
      return [failure(`${store.location} does not answer: ${causeOf(error)}`, advice)];
    }
    if (!(error instanceof StorageRefused)) throw error;
  }
  return [ok(`${store.location} answers`)];
}
