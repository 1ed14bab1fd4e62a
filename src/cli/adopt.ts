import { AdoptionMarker } from '../avatars/adoption-marker.js';
import { Adoption } from '../avatars/adoption.js';
import type { Settings } from '../config/settings.js';
import { isLegacy } from '../model/keys.js';
import { mayAdopt } from '../model/manifest.js';
import { prepareSpool } from '../uploads/spooled-upload.js';
import { openAvatars } from './avatars-app.js';
import { type Finding, type Outcome, type Task, findingOf } from './command.js';
import { examineEach } from './for-each.js';
import { countAvatars, keyOf, listAvatars, decodedId } from './listing.js';
import { manifestOf } from './read-object.js';
import { assertOwnFolder, openExisting } from './stores.js';

/** What helps with a picture that cannot be adopted. */
const IF_REFUSED = 'Upload another picture for the avatar, or remove the object.';

/**
 * Adopts every avatar of the older service that the service would adopt when somebody asks for it, and then
 * writes the marker that says that none is left. Adopted avatars are the only state, so an interrupted run
 * goes on where it was.
 */
export async function runAdopt(task: Task, settings: Settings): Promise<Outcome> {
  const { dryRun, progress } = task;
  const existing = openExisting(settings);
  if (!dryRun) {
    assertOwnFolder(existing);
    await prepareSpool(settings.uploadSpoolPath);
  }
  const { app, store } = await openAvatars(task, settings);
  const adoption = app.get(Adoption, { strict: false });
  const facts = { storage: store.location, avatars: 0, adopted: 0 };
  let refused = 0;
  let complete = false;
  const findings: Finding[] = [];
  let failed = 0;
  const fail = (finding: Finding) => {
    failed++;
    findings.push(finding);
  };

  if (progress.visible) progress.start('adopt', await countAvatars(store));
  const avatars = listAvatars(store, () => undefined);
  await examineEach(
    avatars,
    task,
    { where: keyOf, report: fail },
    async ({ encodedId, manifest, pictures }) => {
      facts.avatars++;
      if (manifest) progress.step();
      const id = decodedId(encodedId);
      if (id === undefined || !pictures.some(({ key }) => isLegacy(key))) return;
      const before = await manifestOf(store, id);
      if (!mayAdopt(before)) return;
      if (dryRun) {
        facts.adopted++;
        return;
      }
      const found = await adoption.adoptNewest(before);
      if (found.key !== undefined) facts.adopted++;
      refused += found.refused.length;
      for (const { key, error } of found.refused) {
        findings.push({ ...findingOf(error, key), message: `${error.message} ${IF_REFUSED}` });
      }
    },
  );
  if (failed === 0 && !dryRun) {
    await app.get(AdoptionMarker, { strict: false }).set();
    complete = true;
  }
  await app.close();
  const unfinished = `Not complete: ${failed} avatars could not be examined. Fix the causes and run it again.`;
  return {
    findings,
    facts: { ...facts, ...(!dryRun && { refused, complete }) },
    ...(failed > 0 && { unfinished }),
  };
}
