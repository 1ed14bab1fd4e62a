import type { Settings } from '../../config/settings.js';
import { withProbe } from '../../storage/trials/probe-objects.js';
import { type Subject, type Verdict, failure, ok, skipped, warning } from './verdict.js';
import { type Answer, bucketUrls, fetchAsBrowser } from './web.js';

/** Asks for a listing, and for an object that is no picture, as anybody could, without keys. */
export async function checkAnonymousAccess({ settings, stores: [store] }: Subject): Promise<Verdict[]> {
  const places = await publicPlaces(settings);
  if (places.length === 0) return [ok('the folder has no URLs: only Visage serves it')];
  const text = 'written by Visage to try who may read it, and removed at once';
  return withProbe(store, async (key) => {
    await store.store(key, Buffer.from(text));
    const verdicts: Verdict[] = [];
    const silent: string[] = [];
    for (const place of places) {
      const listing = await fetchAsBrowser(`${place}?list-type=2&max-keys=1`, settings);
      if ('unreachable' in listing) {
        silent.push(`${place} (${listing.unreachable})`);
        continue;
      }
      if (lists(listing)) verdicts.push(failure(`anybody can list the objects at ${place}`, NO_LISTING));
      const object = await fetchAsBrowser(`${place}${key}`, settings);
      if ('bytes' in object && object.bytes.toString() === text)
        verdicts.push(warning(`anybody can read more than pictures at ${place}`, PICTURES_ONLY));
    }
    if (silent.length > 0) verdicts.push(skipped(`not reached from here: ${silent.join(', ')}`));
    if (silent.length === places.length || verdicts.some(({ result }) => result !== 'skipped'))
      return verdicts;
    return [ok('nobody can list the objects, or read others than pictures, without keys'), ...verdicts];
  });
}

const NO_LISTING =
  'A listing tells the ids of all users. Take s3:ListBucket away from anonymous readers: s3:GetObject is enough';
const PICTURES_ONLY =
  'Manifests and aliases tell about users. Allow anonymous readers s3:GetObject on avatars/* only, or nothing at all';

/** Where readers without keys could get at objects, each with a slash at the end. */
async function publicPlaces(settings: Settings): Promise<string[]> {
  const { urlMode, publicBaseUrl } = settings;
  const ofCdn = urlMode === 'public' && publicBaseUrl !== undefined ? [`${publicBaseUrl}/`] : [];
  return [...new Set([...(await bucketUrls(settings)), ...ofCdn])];
}

function lists({ status, bytes }: Answer): boolean {
  return status === 200 && bytes.includes('<ListBucketResult');
}
