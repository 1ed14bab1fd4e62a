import { PROBES } from '../../model/keys.js';
import { StorageRefused, StorageUnavailable } from '../../storage/object-store.js';
import { causeOf } from '../command.js';
import { type Subject, type Verdict, failure, ok, warning } from './verdict.js';

/**
 * Whether the storage answers, and takes our keys. A missing permission is an answer: they are checked later,
 * one by one.
 */
export async function checkStorage(subject: Subject): Promise<Verdict[]> {
  const { settings, location, standIn, stores } = subject;
  try {
    await stores[0].list(PROBES)[Symbol.asyncIterator]().next();
  } catch (error) {
    if (error instanceof StorageUnavailable) {
      const advice = settings.storageBackend === 'local' ? FOLDER : 'Fix the cause and run this again';
      return [failure(`${location} does not answer: ${causeOf(error)}`, advice)];
    }
    if (!(error instanceof StorageRefused)) throw error;
    if (error.wrong !== undefined)
      return [failure(`${location} cannot be used: ${causeOf(error)}`, REPAIRS[error.wrong])];
  }
  if (standIn !== undefined) {
    const message = `${location} is not there yet: a temporary folder in ${standIn} is tried instead`;
    const advice = `This is right before the first start: the service makes the folder. Otherwise: ${FOLDER}`;
    return [warning(message, advice)];
  }
  return [ok(`${location} answers`)];
}

const FOLDER = 'Set STORAGE_LOCAL_PATH to the folder with the avatars, or mount its disk';

const REPAIRS = {
  keys: 'Set STORAGE_S3_ACCESS_KEY_ID and STORAGE_S3_SECRET_ACCESS_KEY (or what else provides the credentials) to keys that the server knows',
  bucket:
    'Make the bucket, or correct STORAGE_S3_BUCKET, STORAGE_S3_REGION, STORAGE_S3_ENDPOINT or STORAGE_S3_USE_PATH_STYLE',
} as const;
