import type { Settings } from '../../config/settings.js';
import type { ObjectStore } from '../../storage/object-store.js';
import { withProbe } from '../../storage/trials/probe-objects.js';
import { type Subject, type Verdict, failure, ok, skipped, warning } from './verdict.js';
import { type Answer, bucketUrls, fetchAsBrowser } from './web.js';

/** Lists, reads others than pictures, writes and deletes as anybody could try to, without keys. */
export async function checkAnonymousAccess({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  const places = await publicPlaces(settings);
  if (places.length === 0) return [ok('the folder has no URLs: only Visage serves it')];
  const verdicts: Verdict[] = [];
  const silent: string[] = [];
  for (const place of places) {
    const listing = await fetchAsBrowser(`${place}?list-type=2&max-keys=1`, settings);
    if ('unreachable' in listing) {
      silent.push(`${place} (${listing.unreachable})`);
      continue;
    }
    if (lists(listing)) verdicts.push(failure(`anybody can list the objects at ${place}`, NO_LISTING));
    verdicts.push(...(await withProbe(store, (key) => checkObjects(store, settings, place, key))));
  }
  if (silent.length > 0) verdicts.push(skipped(`not reached from here: ${silent.join(', ')}`));
  if (silent.length === places.length || verdicts.some(({ result }) => result !== 'skipped')) return verdicts;
  return [ok('without keys, nobody can list, write or delete, or read the objects in probes/'), ...verdicts];
}

async function checkObjects(
  store: ObjectStore,
  settings: Settings,
  place: string,
  key: string,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const text = 'written by Visage to try who may read it, and removed at once';
  await store.store(key, Buffer.from(text));
  const object = await fetchAsBrowser(`${place}${key}`, settings);
  if ('bytes' in object && object.bytes.toString() === text)
    verdicts.push(warning(`anybody can read more than pictures at ${place}`, PICTURES_ONLY));
  const written = await fetchAsBrowser(`${place}${key}`, settings, { method: 'PUT', body: 'by a stranger' });
  const now = await store.get(key);
  if (
    !('unreachable' in written) &&
    now !== undefined &&
    now !== 'unchanged' &&
    now.bytes.toString() !== text
  )
    verdicts.push(failure(`anybody can write objects at ${place}`, READ_ONLY));
  await fetchAsBrowser(`${place}${key}`, settings, { method: 'DELETE' });
  if (!(await store.exists(key))) verdicts.push(failure(`anybody can delete objects at ${place}`, READ_ONLY));
  return verdicts;
}

const NO_LISTING =
  'A listing tells the ids of all users. Take s3:ListBucket away from anonymous readers: s3:GetObject is enough';
const PICTURES_ONLY =
  'Manifests and aliases tell about users. Allow anonymous readers s3:GetObject on avatars/* only, or nothing at all';

const READ_ONLY =
  'Strangers could replace or destroy every picture. Take s3:PutObject and s3:DeleteObject away from anonymous users at once';

/** Where readers without keys could get at objects, each with a slash at the end. */
async function publicPlaces(settings: Settings): Promise<string[]> {
  const { urlMode, publicBaseUrl } = settings;
  const ofCdn = urlMode === 'public' && publicBaseUrl !== undefined ? [`${publicBaseUrl}/`] : [];
  return [...new Set([...(await bucketUrls(settings)), ...ofCdn])];
}

function lists({ status, bytes }: Answer): boolean {
  return status === 200 && bytes.includes('<ListBucketResult');
}
