import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { parse as parseDotenv } from 'dotenv';
import { parse as parseYaml } from 'yaml';
import { S3_WAITING, Settings, variableOf } from './settings.js';

/** One or more settings are unusable; `problems` has a line for each. */
export class InvalidSettings extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

export interface LoadedSettings {
  settings: Settings;
  /** What the operator should know, though the service can start; one has to be logged as an error. */
  complaints: string[];
}

type Variables = Record<string, string | undefined>;

const PREFIX = 'REVENGE_';
const PROPERTIES = Object.keys(new Settings());

/**
 * Reads the settings: from the YAML file that CONFIG_FILE names, from `.env` in the working directory, and from the
 * environment; later wins, and what is empty counts as not set.
 * @param environment usually `process.env`
 * @param dotenvPath a file that may be absent
 * @throws InvalidSettings naming every bad setting at once
 */
export function loadSettings(environment: Variables, dotenvPath = '.env'): LoadedSettings {
  const outer = { ...withoutPrefix(readDotenv(dotenvPath)), ...withoutPrefix(environment) };
  const file = outer['CONFIG_FILE'] === undefined ? {} : readYaml(outer['CONFIG_FILE']);
  const variables = { ...file, ...outer };

  const given = PROPERTIES.map((property) => [property, variables[variableOf(property)]] as const);
  const settings = plainToInstance(
    Settings,
    Object.fromEntries(given.filter(([, value]) => value !== undefined)),
  );
  const problems = validateSync(settings).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((text) => text.replaceAll(property, variableOf(property))),
  );

  const complaints = Object.keys(file)
    .filter(
      (variable) =>
        /^(STORAGE|AVATAR)_/.test(variable) && !PROPERTIES.some((p) => variableOf(p) === variable),
    )
    .map((variable) => `${variable} in the configuration file is not a setting of Visage and is ignored.`);
  settings.storageLocalPath ||= settings.avatarStoragePath || './data';
  const { storageBackend, storageLocalPath } = settings;
  if (storageBackend !== 'local' && storageBackend !== 's3') {
    complaints.push(
      `STORAGE_BACKEND is ${JSON.stringify(storageBackend)}, which is neither local nor s3. Pictures are now kept on this machine's ` +
        `disk, in ${storageLocalPath}, and none of a bucket is served. Set it to one of the two.`,
    );
    settings.storageBackend = 'local';
  }
  if (settings.storageBackend === 'local') complaints.push(...unservedUrls(settings));
  // With a bucket or CDN at it, it does not say where the service itself is.
  if (settings.urlMode !== 'public') settings.serviceBaseUrl ??= settings.publicBaseUrl;
  settings.avatarSizes.sort((a, b) => a - b);

  problems.push(...contradictions(settings));
  if (problems.length > 0) throw new InvalidSettings(problems);
  return { settings, complaints };
}

/** A disk has no URLs, but its folder may be served by a web server or CDN at PUBLIC_BASE_URL. */
function unservedUrls({ urlMode, publicBaseUrl }: Settings): string[] {
  if (urlMode === 'service' || (urlMode === 'public' && publicBaseUrl !== undefined)) return [];
  return [
    `URL_MODE is ${urlMode}, which STORAGE_BACKEND local does not offer: the service's own URLs are given.`,
  ];
}

function contradictions(settings: Settings): string[] {
  const problems = [];
  if (settings.nodeEnv === 'production' && settings.apiKeys.length === 0) {
    problems.push(
      'API_KEYS must be set when NODE_ENV is production, or anybody could change avatars. ' +
        'Make a key with: openssl rand -hex 32. Give the main application the key, and Visage its sum: ' +
        'printf %s "$KEY" | sha256sum',
    );
  }
  if (settings.storageBackend === 's3' && settings.storageS3Bucket === undefined) {
    problems.push('STORAGE_S3_BUCKET must be set when STORAGE_BACKEND is s3');
  }
  if ((settings.storageS3AccessKeyId === undefined) !== (settings.storageS3SecretAccessKey === undefined)) {
    problems.push(
      "STORAGE_S3_ACCESS_KEY_ID and STORAGE_S3_SECRET_ACCESS_KEY must be set both, or neither to use the SDK's own chain",
    );
  }
  // The longest time that an upload's master may be in the store without its manifest: it is stored, and just before the commit would
  // time out its manifest is read and stored once more, each when it has waited for its turn.
  const { storageS3TimeoutMs, storageLocalLockTimeoutMs, avatarCommitTimeoutMs, avatarGraceMs } = settings;
  const s3Calls = 3 + 2 * S3_WAITING;
  const onItsWayMs =
    avatarCommitTimeoutMs + Math.max(s3Calls * storageS3TimeoutMs, 3 * storageLocalLockTimeoutMs);
  if (avatarGraceMs < onItsWayMs) {
    problems.push(
      `AVATAR_GRACE_MS must be at least ${onItsWayMs}, or uploads on their way could be taken for garbage: ` +
        `AVATAR_COMMIT_TIMEOUT_MS and the longer of ${s3Calls} STORAGE_S3_TIMEOUT_MS and 3 STORAGE_LOCAL_LOCK_TIMEOUT_MS`,
    );
  }
  return problems;
}

/** Without what is empty; a name without the prefix wins over the same name with it. */
function withoutPrefix(variables: Variables): Record<string, string> {
  const set = Object.entries(variables).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '');
  const prefixed = set.filter(([name]) => name.startsWith(PREFIX));
  return Object.fromEntries([
    ...prefixed.map(([name, value]) => [name.slice(PREFIX.length), value] as const),
    ...set,
  ]);
}

function readDotenv(path: string): Variables {
  try {
    return parseDotenv(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** `storage: { s3: { bucket } }` becomes STORAGE_S3_BUCKET. */
function readYaml(path: string): Record<string, string> {
  let document: unknown;
  try {
    document = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new InvalidSettings([`CONFIG_FILE: ${(error as Error).message}`]);
  }
  const flat: Record<string, string> = {};
  const flatten = (value: unknown, name: string): void => {
    if (Array.isArray(value)) flat[name.toUpperCase()] = value.join(',');
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) flatten(inner, name === '' ? key : `${name}_${key}`);
    } else if (value !== null && value !== undefined && value !== '')
      flat[name.toUpperCase()] = `${value as string | number | boolean}`;
  };
  flatten(document, '');
  return flat;
}
