import type { Settings } from '../config/settings.js';
import { prepareSpool } from '../uploads/spooled-upload.js';
import { openAvatars } from './avatars-app.js';
import type { Outcome, Task } from './command.js';
import { forEachListed } from './for-each.js';
import { type Entry, Importer } from './importer.js';
import { assertOwnFolder, openTarget } from './stores.js';

/**
 * Takes pictures in the way that uploads go.
 * @param entries groups of which each is worked on in its order
 */
export async function runImport(
  task: Task,
  settings: Settings,
  entries: AsyncIterable<readonly Entry[]>,
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
  return { findings, facts: { ...facts, refused: findings.length } };
}
