import { CDN_CHECK } from '../../cdn/check-settings.js';
import { InvalidSettings, loadSettings, warningOfOwnUrls } from '../../config/load-settings.js';
import type { Settings } from '../../config/settings.js';
import { type Verdict, failure, ok } from './verdict.js';

type Environment = Record<string, string | undefined>;

/**
 * Reads the settings as the service does.
 * @returns with every problem at once; without settings if there is no going on
 */
export function checkSettings(environment: Environment): { settings?: Settings; verdicts: Verdict[] } {
  try {
    return judge(environment);
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    const verdicts = [...error.problems.map((problem) => failure(problem)), ...error.warnings.map(warningOf)];
    return { ...withoutKeys(environment), verdicts };
  }
}

/** Only the service needs API_KEYS in production: without them, the other checks can still run. */
function withoutKeys(environment: Environment): { settings?: Settings } {
  try {
    const { settings } = judge({ ...environment, NODE_ENV: 'development' });
    return { settings };
  } catch (error) {
    if (error instanceof InvalidSettings) return {};
    throw error;
  }
}

/** @throws InvalidSettings */
function judge(environment: Environment): { settings: Settings; verdicts: Verdict[] } {
  const { settings, complaints, warnings } = loadSettings(environment, CDN_CHECK);
  const ownUrls = warningOfOwnUrls(settings);
  const toSay = ownUrls === undefined ? warnings : [...warnings, ownUrls];
  const verdicts = [...complaints.map((complaint) => failure(complaint)), ...toSay.map(warningOf)];
  const { storageBackend, aliasKey } = settings;
  const keyed = aliasKey === undefined ? '' : '; e-mail hashes: only those made with ALIAS_KEY';
  if (verdicts.length === 0) verdicts.push(ok(`all can be used; storage backend: ${storageBackend}${keyed}`));
  return { settings, verdicts };
}

/** The loader's own words say what to do. */
function warningOf(message: string): Verdict {
  return { result: 'warning', message };
}
