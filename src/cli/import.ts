import type { Settings } from '../config/settings.js';
import { KeyedMutex } from '../tools/keyed-mutex.js';
import { prepareSpool } from '../uploads/spooled-upload.js';
import { openAvatars } from './avatars-app.js';
import type { Finding, Outcome, Task } from './command.js';
import { attempt, forEach } from './for-each.js';
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
  const { dryRun, concurrency, progress } = task;
  if (!dryRun) assertOwnFolder(openTarget(settings, dryRun));
  await prepareSpool(settings.uploadSpoolPath);
  const { app, settings: applied, store } = await openAvatars(task, settings);
  const importer = new Importer(app, applied, dryRun);
  const facts = { storage: store.location, imported: 0, unchanged: 0, surplus: 0, refused: 0 };
  const avatars = new KeyedMutex();
  const findings: Finding[] = [];
  const refuse = (finding: Finding) => {
    facts.refused++;
    findings.push(finding);
  };
  if (progress.visible) progress.start('import', 0);
  await forEach(entries, concurrency, async (group) => {
    for (const entry of group) {
      if ('finding' in entry) refuse(entry.finding);
      else {
        // Two lines of one avatar follow one another.
        const taken = () => avatars.run(entry.id, () => importer.take(entry));
        await attempt(task, entry.where, refuse, async () => {
          facts[await taken()]++;
        });
      }
      progress.step();
    }
  });
  await app.close();
  return { findings, facts };
}
