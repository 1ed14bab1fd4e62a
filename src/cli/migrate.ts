import { setTimeout as sleep } from 'node:timers/promises';
import { AdoptionMarker } from '../avatars/adoption-marker.js';
import type { Settings } from '../config/settings.js';
import { ADOPTION_COMPLETE } from '../model/keys.js';
import { type Finding, type Outcome, type Task, UsageError } from './command.js';
import { examineEach } from './for-each.js';
import { type ListedAvatar, countAvatars, keyOf, listAvatars, together } from './listing.js';
import { MigrationPass } from './migration-pass.js';
import { noTotals } from './migration-tally.js';
import { assertOwnFolder, openExisting, openTarget } from './stores.js';

/** Writers that never pause would otherwise keep it busy for ever. */
const MAX_PASSES = 5;

/**
 * The pause between passes in ms. Some servers give times in whole seconds, and by these the objects of one
 * pass have to be newer than those of the pass before.
 */
const PAUSE_MS = 1100;

/**
 * Copies every avatar to another backend, in passes, until a pass finds that nothing has changed meanwhile.
 */
export async function runMigrate(task: Task, settings: { from: Settings; to: Settings }): Promise<Outcome> {
  const { dryRun, logger } = task;
  const from = openExisting(settings.from);
  const to = openTarget(settings.to, dryRun);
  if (from.location === to.location) {
    throw new UsageError(
      `Source and destination are the same: ${from.location}. Name two with --from and --to.`,
    );
  }
  if (!dryRun) {
    assertOwnFolder(to);
    const { conditionalWrites } = await to.check();
    if (conditionalWrites === 'emulated') {
      logger.warn('the destination ignores conditional writes: let no service write to it until this ends');
    }
  }
  // A file for one side may not name it, and versions that a merge leaves out would be lost. A later change
  // shortens a history anyway.
  const history = Math.max(settings.from.avatarHistory, settings.to.avatarHistory);
  const totals = noTotals();
  // Read first: the passes then see everything that was adopted before it was written.
  const allAdopted = await from.exists(ADOPTION_COMPLETE);
  let passes = 0;
  let pass: MigrationPass;
  do {
    if (passes > 0) await sleep(PAUSE_MS);
    pass = new MigrationPass(from, to, { dryRun, history }, totals);
    await runPass(task, pass, `pass ${++passes}`);
    logger.info({ pass: passes, changes: pass.tally.changes, ...pass.tally.numbers }, 'pass done');
  } while (pass.tally.changes > 0 && !dryRun && passes < MAX_PASSES);
  const { tally, findings } = pass;
  const settled = tally.changes === 0;
  const unfinished: string[] = [];
  if (!settled && !dryRun) {
    unfinished.push(
      `Not settled: avatars changed, or could not be written, in all ${passes} passes. ` +
        'Run it again when fewer avatars change, or with the service stopped.',
    );
  }
  if (allAdopted) {
    // The source knows its own pictures, also those that cannot be adopted, but not those of the destination.
    const knowsAll = settled && tally.unadoptedThere === 0 && tally.failed === 0;
    if (knowsAll && !dryRun) await new AdoptionMarker(to).set();
  } else if (tally.unadopted > 0 && (await to.exists(ADOPTION_COMPLETE))) {
    unfinished.push(
      `Not adopted: the destination is in use, and its services do not look for the pictures of an older service ` +
        `that ${tally.unadopted} avatars have. Run visage adopt with the settings of the destination.`,
    );
  }
  return {
    findings: findings.all,
    // A dry run changes nothing, so it cannot settle.
    facts: {
      from: from.location,
      to: to.location,
      passes,
      ...(!dryRun && { settled }),
      ...tally.numbers,
    },
    ...(unfinished.length > 0 && { unfinished: unfinished.join('\n') }),
  };
}

async function runPass(task: Task, pass: MigrationPass, title: string): Promise<void> {
  const { progress } = task;
  const { from, to, tally, findings } = pass;
  if (progress.visible) progress.start(title, await countAvatars(from));
  const pairs = together(
    listAvatars(from, ({ key }) => {
      findings.unknownObject(key);
    }),
    // Unknown objects of the destination are not copied or removed; `verify` reports them.
    listAvatars(to, () => undefined),
  );
  const where = ({ left, right }: { left?: ListedAvatar; right?: ListedAvatar }) => {
    const listed = left ?? right;
    return listed ? keyOf(listed) : '';
  };
  const report = (finding: Finding) => {
    tally.failed++;
    findings.add(finding);
  };
  await examineEach(pairs, task, { where, report }, async ({ left: source, right: target }) => {
    if (source) await pass.move(source, target);
    else if (target) await pass.visit(target);
    if (source?.manifest) progress.step();
  });
  progress.stop();
}
