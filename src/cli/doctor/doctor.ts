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
import { factsOf, linesOf } from './report.js';
import { checkSettings } from './settings.js';
import { checkStorage } from './storage.js';
import { checkUrls } from './urls.js';
import { type Check, type Named, type Subject, type Verdict, failure, skipped } from './verdict.js';

/** What a trial needs, so that it leaves nothing behind. */
const CHANGES = ['read', 'write', 'delete'];

/** In the order in which they run. */
const CHECKS: readonly Check[] = [
  { name: 'disk', needs: [], run: checkDisks },
  { name: 'storage', needs: [], run: checkStorage },
  { name: 'clock', needs: ['storage'], run: checkClock },
  { name: 'permissions', needs: ['storage'], run: checkPermissions },
  { name: 'excess', needs: ['storage'], run: checkExcess },
  { name: 'conditional-writes', needs: ['list', ...CHANGES], run: checkConditionalWrites },
  { name: 'races', needs: [...CHANGES, 'conditional-writes'], run: checkRaces },
  { name: 'reads', needs: CHANGES, run: checkReads },
  { name: 'listing', needs: ['list', ...CHANGES], run: checkListings },
  { name: 'latency', needs: ['list', ...CHANGES], run: checkLatencies },
  { name: 'anonymous', needs: CHANGES, run: checkAnonymousAccess },
  { name: 'urls', needs: ['list', ...CHANGES], run: checkUrls },
  { name: 'pictures', needs: [], run: checkPictures },
  { name: 'fonts', needs: [], run: checkFonts },
];

/**
 * Finds out whether this configuration can be trusted. Works below `probes/` and with temporary files only, and removes what it wrote.
 * @param environment the variables of the process
 * @param seconds how long races go on
 */
export async function runDoctor(
  task: Task,
  environment: Record<string, string | undefined>,
  seconds: number,
): Promise<Outcome> {
  const { settings, verdicts: found } = checkSettings(environment);
  const verdicts = found.map((verdict) => ({ check: 'settings', ...verdict }));
  const subject = settings && open(settings, seconds);
  if (subject) verdicts.push(...(await examineAll(subject, task)));
  else verdicts.push({ check: 'others', ...skipped('not checked, because the settings cannot be used') });
  const failed = (name: string) =>
    verdicts.some(({ check, result }) => check === name && result === 'failure');
  return {
    findings: verdicts
      .filter(({ result }) => result === 'failure')
      .map(({ check, message }) => ({ code: check, where: subject?.stores[0].location ?? '', message })),
    facts: factsOf(verdicts, subject?.stores[0].location),
    lines: linesOf(verdicts),
    ...(!subject && { exit: EXIT.usage }),
    ...((failed('storage') || failed('permissions')) && { exit: EXIT.unavailable }),
  };
}

function open(settings: Settings, seconds: number): Subject {
  let discarded = 0;
  const openOne = () => openStore(settings, { onDiscardedRead: () => discarded++ });
  const stores = [openOne(), openOne()] as const;
  assertOwnFolder(stores[0]);
  return { settings, stores, seconds, discardedReads: () => discarded };
}

async function examineAll(subject: Subject, task: Task): Promise<Named[]> {
  const verdicts: Named[] = [];
  task.progress.start('doctor', CHECKS.length);
  for (const check of CHECKS) {
    verdicts.push(...(await examine(check, subject, verdicts, task)));
    task.progress.step();
  }
  return verdicts;
}

/** Runs a check if those that it needs have passed. What it throws is a failure, and does not stop the others. */
async function examine(
  { name, needs, run }: Check,
  subject: Subject,
  before: readonly Named[],
  { logger }: Task,
): Promise<Named[]> {
  const named = (verdict: Verdict): Named => ({ check: name, ...verdict });
  const passed = (need: string) => {
    const results = before.filter(({ check }) => check === need).map(({ result }) => result);
    return results.length > 0 && !results.includes('failure') && !results.includes('skipped');
  };
  const missing = needs.find((need) => !passed(need));
  if (missing !== undefined) return [named(skipped(`not checked, because "${missing}" has not passed`))];
  try {
    return (await run(subject)).map(named);
  } catch (error) {
    logger.debug({ err: error, check: name }, 'a check failed');
    return [named(failure(`the check failed: ${causeOf(error)}`))];
  }
}
