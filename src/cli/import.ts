import type { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { prepareSpool } from '../spool.js';
import { KeyedMutex } from '../storage/keyed-mutex.js';
import { openAvatars } from './avatars-app.js';
import type { Finding, Outcome, Task } from './command.js';
import { forEach } from './for-each.js';
import { type Entry, Importer, Refused } from './importer.js';

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
        try {
          // Two lines of one avatar follow one another.
          facts[await avatars.run(entry.id, () => importer.take(entry))]++;
        } catch (error) {
          if (!isRefusal(error)) throw error;
          refuse({ code: error.code, where: entry.where, message: error.message });
        }
      }
      progress.step();
    }
  });
  await app.close();
  return { findings, facts };
}

/** What is wrong with one picture; a storage that cannot be used ends the import. */
function isRefusal(error: unknown): error is CodedError | Refused {
  return error instanceof Refused || (error instanceof CodedError && !error.code.startsWith('storage_'));
}
