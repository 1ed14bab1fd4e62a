import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import {
  constantOf,
  isOwnSection,
  isSetting,
  nearestSetting,
  settingInSection,
  yamlKeyBeside,
  yamlKeyOf,
} from './setting-names.js';
import {
  OLDER_NAMES,
  S3_WAITING,
  SETTINGS,
  STORAGE_BACKENDS,
  Settings,
  isOpenToAll,
  variableOf,
} from './settings.js';
import {
  type Given,
  InvalidSettings,
  type Variables,
  readDotenv,
  readYaml,
  withoutPrefix,
} from './sources.js';
import { problemsOfTokens } from './token-settings.js';

export { InvalidSettings };

export interface LoadedSettings {
  settings: Settings;
  /**
   * What keeps the service from doing what the settings ask for, though it can start. To be logged as errors.
   */
  complaints: string[];
  /**
   * Variables that look like settings and are ignored, and settings without effect. To be logged as warnings.
   */
  warnings: string[];
  /** STORAGE_BACKEND if it is neither local nor s3. The settings then have local. */
  unknownBackend: string | undefined;
}

/** What another part of the service finds in its own settings. */
export interface SettingsCheck {
  /** What makes them unusable. */
  problems(settings: Settings): string[];
  /**
   * What they don't do though they suggest it.
   * @param servesBucket whether browsers get pictures from a bucket or folder rather than from the service
   */
  warnings(settings: Settings, servesBucket: boolean): string[];
}

/**
 * Reads the settings from the YAML file that CONFIG_FILE names, from `.env` in the working directory, and
 * from the environment. Later sources win. Empty values count as not set.
 * @param environment usually `process.env`
 * @param dotenvPath a file that may be absent
 * @throws InvalidSettings naming every bad setting at once
 */
export function loadSettings(
  environment: Variables,
  check: SettingsCheck,
  dotenvPath = '.env',
): LoadedSettings {
  const outer = { ...withoutPrefix(readDotenv(dotenvPath)), ...withoutPrefix(environment) };
  const file = outer['CONFIG_FILE'] === undefined ? {} : readYaml(outer['CONFIG_FILE'].value);

  const given: Record<string, Given<unknown>> = { ...file, ...outer };
  const values = SETTINGS.map((property) => {
    const { value } = given[variableOf(property)] ?? given[OLDER_NAMES[property] ?? ''] ?? {};
    return [property, value] as const;
  });
  const settings = plainToInstance(
    Settings,
    Object.fromEntries(values.filter(([, value]) => value !== undefined)),
  );
  const nameOf = (property: string) => {
    const variable = variableOf(property);
    return outer[variable]?.written ?? file[variable]?.written.join('.') ?? variable;
  };
  const problems = validateSync(settings).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((text) => text.replaceAll(property, nameOf(property))),
  );
  problems.push(...unknownKeys(file));

  const complaints: string[] = [];
  const { storageBackend, storageLocalPath } = settings;
  let unknownBackend: string | undefined;
  if (!STORAGE_BACKENDS.some((known) => known === storageBackend)) {
    complaints.push(
      `STORAGE_BACKEND is ${JSON.stringify(storageBackend)}, which is neither local nor s3. Pictures are now kept on this machine's ` +
        `disk, in ${storageLocalPath}, and none of a bucket is served. Set it to one of the two.`,
    );
    unknownBackend = storageBackend;
    settings.storageBackend = 'local';
  }
  if (settings.storageBackend === 'local') complaints.push(...unservedUrls(settings));
  // In public mode PUBLIC_BASE_URL is a bucket or CDN, and does not say where the service is.
  if (settings.urlMode !== 'public') settings.serviceBaseUrl ??= settings.publicBaseUrl;
  settings.avatarSizes.sort((a, b) => a - b);

  problems.push(...check.problems(settings), ...problemsOfTokens(settings), ...contradictions(settings));
  const unread = unreadVariables(outer);
  if (problems.length > 0) throw new InvalidSettings(problems, unread);
  const servesBucket =
    settings.urlMode !== 'service' &&
    (settings.storageBackend === 's3' || unservedUrls(settings).length === 0);
  const warnings = [...unread, ...warningsOfLimits(settings), ...check.warnings(settings, servesBucket)];
  return { settings, complaints, warnings, unknownBackend };
}

/**
 * Keys of the YAML file that nobody reads: all in sections of ours or below a setting, and those elsewhere
 * that look like a setting. A constant may be given its own value.
 */
function unknownKeys(file: Record<string, Given<readonly string[]>>): string[] {
  return Object.entries(file).flatMap(([variable, { written, value }]) => {
    const constant = constantOf(variable);
    if (isSetting(variable) || constant === Number(value)) return [];
    if (constant !== undefined) {
      return [
        `${written.join('.')} in the configuration file is not a setting of Visage. It is always ${constant}: remove it.`,
      ];
    }
    const above = written.findIndex((_, depth) => isSetting(written.slice(0, depth).join('_').toUpperCase()));
    if (above !== -1) {
      const setting = written.slice(0, above).join('.');
      return [`${setting} in the configuration file is no section. Give it a value, or a list of values.`];
    }
    const meant = nearestSetting(variable);
    const example = settingInSection(variable);
    if (meant === undefined && example !== undefined) {
      return [
        `${written.join('.')} in the configuration file is a section and has no value of its own. ` +
          `Set its keys, such as ${yamlKeyOf(example)}.`,
      ];
    }
    if (meant === undefined && !isOwnSection(variable)) return [];
    const advice = meant === undefined ? 'Remove it.' : `Did you mean ${yamlKeyBeside(written, meant)}?`;
    return [`${written.join('.')} in the configuration file is not a setting of Visage. ${advice}`];
  });
}

/**
 * A variable that Kubernetes sets in every container for a service, like STORAGE_PORT_80_TCP_ADDR for one
 * named `storage`.
 */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

/**
 * Variables that look like a setting, or name a constant and give it another value. An environment has many
 * others, also of other programs, so none is an error.
 */
function unreadVariables(outer: Record<string, Given<string>>): string[] {
  return Object.entries(outer).flatMap(([variable, { written, value }]) => {
    const constant = constantOf(variable);
    if (isSetting(variable) || constant === Number(value) || SERVICE_LINK.test(variable)) return [];
    const ignored = `${written} is not a setting of Visage and is ignored.`;
    if (constant !== undefined) return [`${ignored} It is always ${constant}.`];
    const meant = nearestSetting(variable);
    const prefix = written.slice(0, -variable.length);
    return meant === undefined ? [] : [`${ignored} Did you mean ${prefix}${meant}?`];
  });
}

/**
 * Whether the service has to guess its own address where browsers use it.
 * @returns what to do about it, to be logged as a warning
 */
export function warningOfOwnUrls({
  nodeEnv,
  serviceBaseUrl,
  trustProxy,
  urlMode,
}: Settings): string | undefined {
  if (nodeEnv !== 'production' || serviceBaseUrl !== undefined || trustProxy.length > 0) return undefined;
  const variable = urlMode === 'public' ? 'SERVICE_BASE_URL' : 'PUBLIC_BASE_URL';
  return (
    `Neither ${variable} nor TRUST_PROXY is set: URLs of this service start with http:// and the Host that reaches it. ` +
    `Set ${variable} to where browsers reach it, or TRUST_PROXY to the addresses of your proxies.`
  );
}

/** Limits that count nothing, or more than they should. */
function warningsOfLimits(settings: Settings): string[] {
  const { apiKeys, jwtIssuer, signingKeys, uploadsPerAddress, uploadsPerCredential } = settings;
  const forUsers = signingKeys.length > 0 || jwtIssuer !== undefined;
  const warnings: string[] = [];
  if (uploadsPerCredential && apiKeys.length === 0 && !forUsers) {
    warnings.push('UPLOADS_PER_CREDENTIAL has no effect without API_KEYS, SIGNING_KEYS and JWT_ISSUER.');
  }
  if (!uploadsPerAddress) return warnings;
  if (apiKeys.length > 0 && !forUsers) {
    warnings.push(
      'UPLOADS_PER_ADDRESS has no effect with API_KEYS unless SIGNING_KEYS or JWT_ISSUER is set: it limits uploads without a key.',
    );
  } else if (settings.nodeEnv === 'production' && settings.trustProxy.length === 0) {
    warnings.push(
      'UPLOADS_PER_ADDRESS counts the uploads that come through a proxy as those of one address. Set TRUST_PROXY if there is a proxy.',
    );
  }
  return warnings;
}

/** A disk has no URLs, but its folder may be served by a web server or CDN at PUBLIC_BASE_URL. */
function unservedUrls({ urlMode, publicBaseUrl }: Settings): string[] {
  if (urlMode === 'service' || (urlMode === 'public' && publicBaseUrl !== undefined)) return [];
  return [
    `URL_MODE is ${urlMode}, which STORAGE_BACKEND local does not offer: the service's own URLs are given.`,
  ];
}

function contradictions(settings: Settings): string[] {
  const problems: string[] = [];
  // 0 is any free port.
  if (settings.opsPort === settings.port && settings.port !== 0) {
    problems.push('OPS_PORT must differ from PORT. Leave it empty to have one port for everything.');
  }
  if (settings.nodeEnv === 'production' && isOpenToAll(settings)) {
    problems.push(
      'API_KEYS or JWT_ISSUER must be set when NODE_ENV is production, or anybody could change avatars. ' +
        'Make a key with: openssl rand -hex 32. Give the key to the main application, and its SHA-256 sum to Visage: ' +
        'printf %s "$KEY" | sha256sum',
    );
  }
  const { uploadsPerAvatar, avatarHistory } = settings;
  if (uploadsPerAvatar && uploadsPerAvatar.count > avatarHistory) {
    problems.push(
      `UPLOADS_PER_AVATAR must allow at most AVATAR_HISTORY uploads, which is ${avatarHistory}: they are counted in the history. ` +
        `Allow fewer, or set AVATAR_HISTORY to ${uploadsPerAvatar.count}`,
    );
  }
  if (settings.storageBackend === 's3' && settings.storageS3Bucket === undefined) {
    problems.push('STORAGE_S3_BUCKET must be set when STORAGE_BACKEND is s3');
  }
  if ((settings.storageS3AccessKeyId === undefined) !== (settings.storageS3SecretAccessKey === undefined)) {
    problems.push(
      "STORAGE_S3_ACCESS_KEY_ID and STORAGE_S3_SECRET_ACCESS_KEY: set both, or neither to use the AWS SDK's own chain",
    );
  }
  // The longest time that an upload's master may be in the store without its manifest: storing the master,
  // waiting for the commit, and reading and storing the manifest once more just before the commit times out.
  // Each call may wait for its turn first.
  const { storageS3TimeoutMs, storageLocalLockTimeoutMs, avatarCommitTimeoutMs, avatarGraceMs } = settings;
  const s3Calls = 3 + 2 * S3_WAITING;
  const onItsWayMs =
    avatarCommitTimeoutMs + Math.max(s3Calls * storageS3TimeoutMs, 3 * storageLocalLockTimeoutMs);
  if (avatarGraceMs < onItsWayMs) {
    problems.push(
      `AVATAR_GRACE_MS must be at least ${onItsWayMs}, or uploads on their way could be taken for garbage: ` +
        `${avatarCommitTimeoutMs} ms for a change, and ${s3Calls} times STORAGE_S3_TIMEOUT_MS or ${3 * storageLocalLockTimeoutMs} ms, whichever is longer`,
    );
  }
  return problems;
}
