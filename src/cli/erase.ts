import type { Logger } from 'pino';
import { AvatarErasure, type Receipt } from '../avatars/avatar.erasure.js';
import { CdnModule } from '../cdn/cdn.module.js';
import { Purges } from '../cdn/purges.js';
import type { Settings } from '../config/settings.js';
import { KeyedMutex } from '../tools/keyed-mutex.js';
import { openAvatars } from './avatars-app.js';
import type { Finding, Outcome, Task } from './command.js';
import { type Erasure, WOULD_ERASE } from './erase-list.js';
import { attempt, forEach } from './for-each.js';
import { assertOwnFolder, openExisting } from './stores.js';

/**
 * Repeats erasures. Each takes the pictures and aliases up to its instant, and leaves newer ones. If one fails, the others go on.
 * @throws errors by which the storage cannot be used at all
 */
export async function runErase(
  task: Task,
  settings: Settings,
  erasures: AsyncIterable<Erasure | { finding: Finding }>,
): Promise<Outcome> {
  const { dryRun, concurrency, progress } = task;
  // In a new and empty storage everything would look erased.
  const existing = openExisting(settings);
  if (!dryRun) assertOwnFolder(existing);
  const { app, store } = await openAvatars(task, settings, [CdnModule]);
  const erasure = app.get(AvatarErasure, { strict: false });
  const facts = { storage: store.location, erasures: 0, objects: 0, bytes: 0, aliases: 0, refused: 0 };
  const purges = app.get(Purges, { strict: false });
  const unpurged = new Set<string>();
  purges.carryOutAll((id) => unpurged.add(id));
  const purging: Pick<Erasure, 'id' | 'where'>[] = [];
  const findings: Finding[] = [];
  const refuse = (finding: Finding) => {
    facts.refused++;
    findings.push(finding);
  };
  const avatars = new KeyedMutex();
  const previews = new Previews(erasure, task.logger);
  const repeat = async ({ id, erasedAt: before, where }: Erasure) => {
    const { objects, bytes, aliases, purged }: Removed = await avatars.run(id, () =>
      dryRun ? previews.next(id, before) : erasure.erase(id, { before }),
    );
    facts.erasures++;
    facts.objects += objects;
    facts.bytes += bytes;
    facts.aliases += aliases;
    if (purged) purging.push({ id, where });
  };
  if (progress.visible) progress.start('erase', 0);
  await forEach(erasures, concurrency, async (erasure) => {
    if ('finding' in erasure) refuse(erasure.finding);
    else await attempt(task, erasure.where, refuse, () => repeat(erasure));
    progress.step();
  });
  await app.close();
  const failed = purging.filter(({ id }) => unpurged.has(id));
  for (const { where } of failed) findings.push({ code: 'not_purged', where, message: NOT_PURGED });
  return { findings, facts: { ...facts, ...(purges.enabled && { purged: purging.length - failed.length }) } };
}

type Removed = Pick<Receipt, 'objects' | 'bytes' | 'aliases' | 'purged'>;

const NOT_PURGED =
  'The avatar is erased, but the CDN did not accept the purge. Run the command again, or purge the avatar by hand.';

/** What erasures would remove. An id that is listed again loses only what the erasures before it have left. */
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
