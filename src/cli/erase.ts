import type { Logger } from 'pino';
import { AvatarErasure, type Receipt } from '../avatars/avatar.erasure.js';
import { VersionErasure } from '../avatars/version.erasure.js';
import { CdnModule } from '../cdn/cdn.module.js';
import { Purges } from '../cdn/purges.js';
import type { Settings } from '../config/settings.js';
import { openAvatars } from './avatars-app.js';
import { timeOfVersion } from '../model/keys.js';
import type { Outcome, Task } from './command.js';
import { type Erasure, WOULD_ERASE } from './erase-list.js';
import { type Listed, forEachListed } from './for-each.js';
import { assertOwnFolder, openExisting } from './stores.js';

/**
 * Repeats erasures. Each takes the pictures and aliases up to its instant, or a single version, and leaves
 * everything else. If one fails, the others go on.
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
  const avatars = app.get(AvatarErasure, { strict: false });
  const versions = app.get(VersionErasure, { strict: false });
  const erase = ({ id, erasedAt, version }: Erasure): Promise<Removed> =>
    version === undefined
      ? avatars.erase(id, { before: erasedAt })
      : versions.erase(id, version, { erasedAt });
  const facts = { storage: store.location, erasures: 0, objects: 0, bytes: 0, aliases: 0 };
  const purges = app.get(Purges, { strict: false });
  const unpurged = new Set<string>();
  purges.carryOutAll((id) => unpurged.add(id));
  const purging: Erasure[] = [];
  const previews = new Previews(avatars, versions, task.logger);
  const refusals = await forEachListed(erasures, task, 'erase', async (item) => {
    const removed: Removed = await (dryRun ? previews.next(item) : erase(item));
    facts.erasures++;
    facts.objects += removed.objects;
    facts.bytes += removed.bytes;
    facts.aliases += removed.aliases ?? 0;
    if (removed.purged) purging.push(item);
  });
  await app.close();
  const failed = purging.filter(({ id }) => unpurged.has(id));
  const notPurged = failed.map(({ where }) => ({ code: 'not_purged', where, message: NOT_PURGED }));
  const purged = purges.enabled && { purged: purging.length - failed.length };
  return { findings: [...refusals, ...notPurged], facts: { ...facts, refused: refusals.length, ...purged } };
}

type Counts = Pick<Receipt, 'objects' | 'bytes' | 'aliases'>;

/** What an erasure removed. Only that of an avatar counts aliases. */
type Removed = Omit<Counts, 'aliases'> & Partial<Pick<Receipt, 'aliases' | 'purged'>>;

const NOT_PURGED =
  'The avatar is erased, but the CDN did not accept the purge. Run the command again, or purge the avatar by hand.';

/** What erasures would remove. What is listed again loses only what the erasures before it have left. */
class Previews {
  private readonly before = new Map<string, (Erasure & Counts)[]>();

  constructor(
    private readonly avatars: AvatarErasure,
    private readonly versions: VersionErasure,
    private readonly logger: Logger,
  ) {}

  async next(erasure: Erasure): Promise<Counts> {
    const { id, erasedAt, version } = erasure;
    const before = this.before.get(id) ?? [];
    const more = await (version === undefined
      ? this.ofAvatar(erasure, before)
      : this.ofVersion(id, version, before));
    if (version === undefined) this.logger.info({ id, erasedAt, ...more }, `${WOULD_ERASE} an avatar`);
    else this.logger.info({ id, version, erasedAt, ...more }, `${WOULD_ERASE} a version of an avatar`);
    this.before.set(id, [...before, { ...erasure, ...more }]);
    return more;
  }

  private async ofAvatar({ id, erasedAt }: Erasure, before: readonly (Erasure & Counts)[]): Promise<Counts> {
    const { objects, bytes, aliases } = await this.avatars.preview(id, erasedAt);
    const gone = before.filter(({ version }) => version === undefined || isUpTo(version, erasedAt));
    const left = (all: number, count: keyof Counts) =>
      Math.max(
        0,
        gone.reduce((rest, one) => rest - one[count], all),
      );
    return {
      objects: left(objects, 'objects'),
      bytes: left(bytes, 'bytes'),
      aliases: left(aliases, 'aliases'),
    };
  }

  private async ofVersion(id: string, version: string, before: readonly Erasure[]): Promise<Counts> {
    const isGone = before.some((one) =>
      one.version === undefined ? isUpTo(version, one.erasedAt) : one.version === version,
    );
    if (isGone) return { objects: 0, bytes: 0, aliases: 0 };
    return { ...(await this.versions.preview(id, version)), aliases: 0 };
  }
}

function isUpTo(version: string, erasedAt: string): boolean {
  return timeOfVersion(version) <= Date.parse(erasedAt);
}
