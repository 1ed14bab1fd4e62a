import type { Logger } from 'pino';
import { AvatarErasure, type Receipt } from '../avatars/avatar.erasure.js';
import { CdnModule } from '../cdn/cdn.module.js';
import { Purges } from '../cdn/purges.js';
import type { Settings } from '../config/settings.js';
import { openAvatars } from './avatars-app.js';
import type { Outcome, Task } from './command.js';
import { type Erasure, WOULD_ERASE } from './erase-list.js';
import { type Listed, forEachListed } from './for-each.js';
import { assertOwnFolder, openExisting } from './stores.js';

/**
 * Repeats erasures. Each takes the pictures and aliases up to its instant, and leaves newer ones. If one
 * fails, the others go on.
 * @throws errors by which the storage cannot be used at all
 */
export async function runErase(
  task: Task,
  settings: Settings,
  erasures: AsyncIterable<readonly Listed<Erasure>[]>,
): Promise<Outcome> {
  const { dryRun } = task;
  // In a new and empty storage everything would look erased.
  const existing = openExisting(settings);
  if (!dryRun) assertOwnFolder(existing);
  const { app, store } = await openAvatars(task, settings, [CdnModule]);
  const erasure = app.get(AvatarErasure, { strict: false });
  const facts = { storage: store.location, erasures: 0, objects: 0, bytes: 0, aliases: 0 };
  const purges = app.get(Purges, { strict: false });
  const unpurged = new Set<string>();
  purges.carryOutAll((id) => unpurged.add(id));
  const purging: Erasure[] = [];
  const previews = new Previews(erasure, task.logger);
  const refusals = await forEachListed(erasures, task, 'erase', async (item) => {
    const { id, erasedAt: before } = item;
    const removed: Removed = await (dryRun ? previews.next(id, before) : erasure.erase(id, { before }));
    facts.erasures++;
    facts.objects += removed.objects;
    facts.bytes += removed.bytes;
    facts.aliases += removed.aliases;
    if (removed.purged) purging.push(item);
  });
  await app.close();
  const failed = purging.filter(({ id }) => unpurged.has(id));
  const notPurged = failed.map(({ where }) => ({ code: 'not_purged', where, message: NOT_PURGED }));
  const purged = purges.enabled && { purged: purging.length - failed.length };
  return { findings: [...refusals, ...notPurged], facts: { ...facts, refused: refusals.length, ...purged } };
}

type Removed = Pick<Receipt, 'objects' | 'bytes' | 'aliases' | 'purged'>;

const NOT_PURGED =
  'The avatar is erased, but the CDN did not accept the purge. Run the command again, or purge the avatar by hand.';

/**
 * What erasures would remove. An id that is listed again loses only what the erasures before it have left.
 */
class Previews {
  private readonly removed = new Map<string, Removed>();

  constructor(
    private readonly erasure: AvatarErasure,
    private readonly logger: Logger,
  ) {}

  async next(id: string, erasedAt: string): Promise<Removed> {
    const before = this.removed.get(id) ?? { objects: 0, bytes: 0, aliases: 0 };
    const { objects, bytes, aliases } = await this.erasure.preview(id, erasedAt);
    const more = {
      objects: Math.max(0, objects - before.objects),
      bytes: Math.max(0, bytes - before.bytes),
      aliases: Math.max(0, aliases - before.aliases),
    };
    this.logger.info({ id, erasedAt, ...more }, WOULD_ERASE);
    this.removed.set(id, {
      objects: before.objects + more.objects,
      bytes: before.bytes + more.bytes,
      aliases: before.aliases + more.aliases,
    });
    return more;
  }
}
