import type { Settings } from '../config/settings.js';
import { prepareSpool } from '../uploads/spooled-upload.js';
import { openAvatars } from './avatars-app.js';
import type { Outcome, Task } from './command.js';
import { forEachListed } from './for-each.js';
import type { Seen } from './import-matching.js';
import { type Entry, Importer } from './importer.js';
import { assertOwnFolder, openTarget } from './stores.js';

/**
 * Takes pictures in the way that uploads go.
 * @param entries groups of which each is worked on in its order
 * @param seen filled while the entries are taken, if they come from a pattern
 */
export async function runImport(
  task: Task,
  settings: Settings,
  entries: AsyncIterable<readonly Entry[]>,
  seen?: Seen,
): Promise<Outcome> {
  const { dryRun } = task;
  if (!dryRun) assertOwnFolder(openTarget(settings, dryRun));
  await prepareSpool(settings.uploadSpoolPath);
  const { app, settings: applied, store } = await openAvatars(task, settings);
  const importer = new Importer(app, applied, dryRun);
  const facts = { storage: store.location, imported: 0, unchanged: 0, surplus: 0 };
  const findings = await forEachListed(entries, task, 'import', async (item) => {
    facts[await importer.importOne(item)]++;
  });
  await app.close();
  const all = { ...facts, refused: findings.length };
  if (!seen) return { findings, facts: all };
  const { matched, older, unmatched } = seen;
  return {
    findings,
    facts: { ...all, older, unmatched },
    ...(matched === 0 && {
      unfinished: 'The pattern matches nothing. Compare it with the names in the source.',
    }),
  };
}
