import { AvatarErasure } from '../avatars/avatar.erasure.js';
import type { Settings } from '../config/settings.js';
import { KeyedMutex } from '../storage/keyed-mutex.js';
import { openAvatars } from './avatars-app.js';
import type { Finding, Outcome, Task } from './command.js';
import type { Erasure } from './erase-list.js';
import { attempt, forEach } from './for-each.js';
import { openExisting } from './stores.js';

/**
 * Repeats erasures: each takes what was there up to its instant, and leaves what is newer. One that fails does not keep the others
 * from being done.
 * @throws what makes the storage useless for all
 */
export async function runErase(
  task: Task,
  settings: Settings,
  erasures: AsyncIterable<Erasure | { finding: Finding }>,
): Promise<Outcome> {
  const { dryRun, concurrency, logger, progress } = task;
  // In a storage that is made for it, everything would look erased.
  openExisting(settings);
  const { app, store } = await openAvatars(task, settings);
  const erasure = app.get(AvatarErasure, { strict: false });
  const facts = { storage: store.location, erasures: 0, objects: 0, bytes: 0, aliases: 0, refused: 0 };
  const findings: Finding[] = [];
  const refuse = (finding: Finding) => {
    facts.refused++;
    findings.push(finding);
  };
  const avatars = new KeyedMutex();
  const repeat = async ({ id, erasedAt: before }: Erasure) => {
    const { objects, bytes, aliases } = await avatars.run(id, () =>
      dryRun ? erasure.preview(id, before) : erasure.erase(id, { before }),
    );
    if (dryRun) logger.info({ id, erasedAt: before, objects, bytes, aliases }, 'would erase an avatar');
    facts.erasures++;
    facts.objects += objects;
    facts.bytes += bytes;
    facts.aliases += aliases;
  };
  if (progress.visible) progress.start('erase', 0);
  await forEach(erasures, concurrency, async (erasure) => {
    if ('finding' in erasure) refuse(erasure.finding);
    else await attempt(task, erasure.where, refuse, () => repeat(erasure));
    progress.step();
  });
  await app.close();
  return { findings, facts };
}
