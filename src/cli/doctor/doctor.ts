import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.js';
import { openStore } from '../../storage/open-store.js';
import { EXIT, type Outcome, type Task, causeOf } from '../command.js';
import { assertOwnFolder } from '../stores.js';
import { checkAnonymousAccess } from './anonymous-access.js';
import { checkClock } from './clock.js';
import { checkConditionalWrites } from './conditional-writes.js';
import { checkDisks } from './disks.js';
import { checkExcess } from './excess.js';
import { checkFonts } from './fonts.js';
import { checkLatencies } from './latencies.js';
import { checkListings } from './listings.js';
import { checkPermissions } from './permissions.js';
import { checkPictures } from './pictures.js';
import { checkRaces } from './races.js';
import { checkReads } from './reads.js';
import { Report, sumOf } from './report.js';
import { checkSettings } from './settings.js';
import { withStandIn } from './stand-in.js';
import { checkStorage } from './storage.js';
import { checkTokens } from './tokens.js';
import { checkUrls } from './urls.js';
import {
  type Check,
  type Named,
  type Result,
  type Subject,
  type Verdict,
  failure,
  skipped,
} from './verdict.js';

/** What a trial needs, so that it leaves nothing behind. */
const CHANGES = ['storage', 'read', 'write', 'delete'];

/** In the order in which they run. */
const CHECKS: readonly Check[] = [
  { name: 'disk', needs: [], run: checkDisks },
  { name: 'storage', needs: [], run: checkStorage },
  { name: 'clock', needs: ['storage'], run: checkClock },
  { name: 'permissions', needs: ['storage'], run: checkPermissions },
  { name: 'excess', needs: ['storage'], run: checkExcess },
  { name: 'conditional-writes', needs: [...CHANGES, 'list'], run: checkConditionalWrites },
  { name: 'races', needs: [...CHANGES, 'conditional-writes'], run: checkRaces },
  { name: 'reads', needs: CHANGES, run: checkReads },
  { name: 'listing', needs: [...CHANGES, 'list'], run: checkListings },
  { name: 'latency', needs: [...CHANGES, 'list'], run: checkLatencies },
  { name: 'anonymous', needs: CHANGES, run: checkAnonymousAccess },
  { name: 'urls', needs: [...CHANGES, 'list'], run: checkUrls },
  { name: 'tokens', needs: [], run: checkTokens },
  { name: 'pictures', needs: [], run: checkPictures },
  { name: 'fonts', needs: [], run: checkFonts },
];

/**
 * Finds out whether this configuration can be trusted. Works below `probes/` and with temporary files only,
 * and removes what it wrote.
 * @param environment the variables of the process
 * @param seconds how long races go on
 */
export async function runDoctor(
  task: Task,
  environment: Record<string, string | undefined>,
  seconds: number,
): Promise<Outcome> {
  const { settings, verdicts: found } = checkSettings(environment);
  const store = settings && openStore(settings);
  if (store) assertOwnFolder(store);
  const report = new Report(task.say);
  report.add('settings', found);
  if (store) {
    const { location } = store;
    await withStandIn(settings, task.logger, (tried, standIn) =>
      examineAll({ ...open(tried), settings, location, standIn, seconds }, report, task),
    );
  } else report.add('others', [skipped('not checked, because the settings cannot be used')]);
  const { verdicts } = report;
  const failed = (name: string) =>
    verdicts.some(({ check, result }) => check === name && result === 'failure');
  return {
    findings: verdicts
      .filter(({ result }) => result === 'failure')
      .map(({ check, message }) => ({ code: check, where: store?.location ?? '', message })),
    facts: { ...(store && { storage: store.location }), checks: verdicts },
    lines: [sumOf(verdicts)],
    ...(!store && { exit: EXIT.usage }),
    ...((failed('storage') || failed('permissions')) && { exit: EXIT.unavailable }),
  };
}

function open(settings: Settings): Pick<Subject, 'stores' | 'discardedReads'> {
  let discarded = 0;
  const openOne = () => openStore(settings, { onDiscardedRead: () => discarded++ });
  return { stores: [openOne(), openOne()], discardedReads: () => discarded };
}

async function examineAll(subject: Subject, report: Report, { progress, logger }: Task): Promise<void> {
  progress.start('doctor', CHECKS.length);
  for (const check of CHECKS) {
    report.add(check.name, await examine(check, subject, report.verdicts, logger));
    progress.step();
  }
}

/**
 * Runs a check if those that it needs have passed. What it throws is a failure, and does not stop the others.
 */
async function examine(
  { name, needs, run }: Check,
  subject: Subject,
  before: readonly Named[],
  logger: Logger,
): Promise<readonly Verdict[]> {
  const resultsOf = (need: string) =>
    before.filter(({ check }) => check === need).map(({ result }) => result);
  const passed = (results: readonly Result[]) =>
    results.length > 0 && !results.includes('failure') && !results.includes('skipped');
  const missing = needs.find((need) => !passed(resultsOf(need)));
  if (missing !== undefined) {
    // A permission without a line of its own is part of the one line about all of them.
    const shown = resultsOf(missing).length > 0 ? missing : 'permissions';
    return [skipped(`not checked, because "${shown}" has not passed`)];
  }
  try {
    return await run(subject);
  } catch (error) {
    logger.debug({ err: error, check: name }, 'a check failed');
    return [failure(`the check failed: ${causeOf(error)}`)];
  }
}
