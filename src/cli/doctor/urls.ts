import type { Settings } from '../../config/settings.js';
import { AVATARS } from '../../model/keys.js';
import { withProbe } from '../../storage/trials/probe-objects.js';
import { read } from '../read-object.js';
import { type Subject, type Verdict, failure, ok, skipped, warning } from './verdict.js';
import { fetchAsBrowser } from './web.js';

/** Fetches what URL_MODE sends browsers to, as they would. */
export async function checkUrls(subject: Subject): Promise<Verdict[]> {
  const { urlMode, storageBackend, publicBaseUrl } = subject.settings;
  const offered =
    storageBackend === 's3'
      ? urlMode
      : urlMode === 'public' && publicBaseUrl !== undefined
        ? urlMode
        : 'service';
  switch (offered) {
    case 'service':
      return [ok('browsers get pictures from Visage itself: nothing to try')];
    case 'presigned':
      return checkPresigned(subject);
    case 'public':
      return checkPublic(subject);
  }
}

async function checkPresigned({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  const bytes = Buffer.from('written by Visage to try its presigned URLs, and removed at once');
  return withProbe(store, async (key) => {
    await store.store(key, bytes);
    const found = await store.getUrl(key, { expiresIn: settings.urlExpiresIn });
    if (!found) return [skipped('the storage has no presigned URLs')];
    const advice =
      'Set STORAGE_S3_PUBLIC_ENDPOINT to the address that browsers reach. A proxy has to pass Host and query on unchanged';
    return [await fetchAndCompare({ kind: 'presigned', url: found.url, bytes, advice }, settings)];
  });
}

/** Tries a picture that is there already: whoever makes pictures public need not do so with `probes/`. */
async function checkPublic({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  const { publicBaseUrl } = settings;
  for await (const { key } of store.list(AVATARS)) {
    const object = await read(store, key);
    const url = publicBaseUrl === undefined ? (await store.getUrl(key))?.url : `${publicBaseUrl}/${key}`;
    if (!object || url === undefined) break;
    const advice =
      'Allow anonymous readers s3:GetObject on avatars/* (and no listing), or set PUBLIC_BASE_URL to where they get the pictures';
    return [await fetchAndCompare({ kind: 'public', url, bytes: object.bytes, advice }, settings)];
  }
  return [skipped('public URLs: no picture is stored yet to try one with. Upload one and run this again')];
}

interface Expected {
  kind: 'presigned' | 'public';
  url: string;
  bytes: Buffer;
  /** What to do if something else comes. */
  advice: string;
}

async function fetchAndCompare({ kind, url, bytes, advice }: Expected, settings: Settings): Promise<Verdict> {
  const answer = await fetchAsBrowser(url, settings);
  const { origin } = new URL(url);
  if ('unreachable' in answer) {
    const hint =
      'Try a picture in a browser. That this machine does not reach the address need not mean that browsers do not';
    return warning(`a ${kind} URL at ${origin} could not be reached from here: ${answer.unreachable}`, hint);
  }
  if (answer.status !== 200)
    return failure(`a ${kind} URL at ${origin} was answered ${answer.status}`, advice);
  if (!answer.bytes.equals(bytes)) return failure(`a ${kind} URL at ${origin} gave other bytes`, advice);
  return ok(`a ${kind} URL at ${origin} gave the object, whole`);
}
