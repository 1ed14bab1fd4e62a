import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { InvalidSettings, loadSettings } from '../../src/config/load-settings.js';
import { Settings, variableOf } from '../../src/config/settings.js';

const folder = mkdtempSync(join(tmpdir(), 'visage-settings-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const load = (environment: Record<string, string>, dotenv = '') =>
  loadSettings(environment, file('test.env', dotenv)).settings;
const problemsOf = (environment: Record<string, string>) => {
  try {
    load(environment);
    return [];
  } catch (error) {
    if (error instanceof InvalidSettings) return error.problems;
    throw error;
  }
};

/** The configuration file of the service that Visage grew from, with what else stood in it. */
const SEED = `
server:
  port_of_something_else: 8096
storage:
  backend: s3
  local:
    path: /data/storage
  s3:
    endpoint: http://minio:9000
    region: us-west-2
    bucket: revenge-avatars
    access_key_id: minioadmin
    secret_access_key: "0123"
    use_path_style: true
avatar:
  storage_path: /data/avatars
`;

describe('.env.example', () => {
  const example = parse(readFileSync('.env.example'));

  it('lists every setting and no other', () => {
    const settings = Object.keys(new Settings()).map(variableOf);
    expect(Object.keys(example).sort()).toEqual(settings.sort());
  });

  it('gives the defaults', () => {
    expect(load(example)).toEqual(load({}));
  });
});

describe('loadSettings', () => {
  it('takes the environment over .env, .env over the YAML file, and that over the defaults', () => {
    const config = file('order.yaml', 'avatar: { history: 2, master_size: 200, max_pixels: 2000 }');
    const settings = load(
      { AVATAR_HISTORY: '4', CONFIG_FILE: config },
      'AVATAR_HISTORY=3\nAVATAR_MASTER_SIZE=300\nAVATAR_MAX_SIZE_BYTES=',
    );
    expect(settings).toMatchObject({ avatarHistory: 4, avatarMasterSize: 300, avatarMaxPixels: 2000 });
    expect(settings.avatarMaxSizeBytes).toBe(5 * 1024 * 1024);
  });

  it('understands the configuration file of the seed', () => {
    expect(load({ CONFIG_FILE: file('seed.yaml', SEED) })).toMatchObject({
      storageBackend: 's3',
      storageLocalPath: '/data/storage',
      storageS3Endpoint: 'http://minio:9000',
      storageS3Region: 'us-west-2',
      storageS3Bucket: 'revenge-avatars',
      storageS3AccessKeyId: 'minioadmin',
      storageS3SecretAccessKey: '0123',
      storageS3UsePathStyle: true,
    });
  });

  it("reads every variable with the seed's prefix too, and the name without it first", () => {
    expect(load({ REVENGE_STORAGE_BACKEND: 's3', REVENGE_STORAGE_S3_BUCKET: 'one' })).toMatchObject({
      storageBackend: 's3',
      storageS3Bucket: 'one',
    });
    expect(load({ REVENGE_PORT: '1', PORT: '2' }).port).toBe(2);
  });

  it.each([
    [{}, './data'],
    [{ AVATAR_STORAGE_PATH: '/legacy' }, '/legacy'],
    [{ STORAGE_LOCAL_PATH: '', AVATAR_STORAGE_PATH: '/legacy' }, '/legacy'],
    [{ STORAGE_LOCAL_PATH: '/new', AVATAR_STORAGE_PATH: '/legacy' }, '/new'],
  ])('from %j keeps objects in %s', (environment, path) => {
    expect(load(environment).storageLocalPath).toBe(path);
  });

  it('complains of an unknown backend and uses local', () => {
    const { settings, complaints } = loadSettings({ STORAGE_BACKEND: 'ftp' }, file('empty.env', ''));
    expect(settings.storageBackend).toBe('local');
    expect(complaints).toEqual([expect.stringMatching(/"ftp".*this machine's disk, in \.\/data/)]);
  });

  it.each(['S3', 's3', 'Local', 'LOCAL'])('knows the backend %s', (backend) => {
    const { settings, complaints } = loadSettings(
      { STORAGE_BACKEND: backend, STORAGE_S3_BUCKET: 'one' },
      file('empty.env', ''),
    );
    expect(settings.storageBackend).toBe(backend.toLowerCase());
    expect(complaints).toEqual([]);
  });

  it('refuses a NODE_ENV that it does not know: a misspelt production would run without keys', () => {
    expect(problemsOf({ NODE_ENV: 'Production' })).toEqual([expect.stringContaining('NODE_ENV')]);
    for (const nodeEnv of ['development', 'test']) expect(problemsOf({ NODE_ENV: nodeEnv })).toEqual([]);
  });

  it.each([
    [{ URL_MODE: 'presigned' }, 1],
    [{ URL_MODE: 'presigned', PUBLIC_BASE_URL: 'https://a.example' }, 1],
    [{ URL_MODE: 'public' }, 1],
    [{ URL_MODE: 'public', PUBLIC_BASE_URL: 'https://cdn.example' }, 0],
    [{ URL_MODE: 'service' }, 0],
    [{ URL_MODE: 'presigned', STORAGE_BACKEND: 's3', STORAGE_S3_BUCKET: 'one' }, 0],
  ])('with %j has %d complaints: a disk has no URLs of its own', (environment, count) => {
    const { complaints } = loadSettings(environment, file('empty.env', ''));
    expect(complaints).toEqual(
      Array.from({ length: count }, (): unknown => expect.stringMatching(/URL_MODE.*local/)),
    );
  });

  it('complains of a misspelt setting in the YAML file', () => {
    const config = file('typo.yaml', 'storage: { s3: { bukcet: x } }\nserver: { other: 1 }');
    const { complaints } = loadSettings({ CONFIG_FILE: config }, file('empty.env', ''));
    expect(complaints).toEqual([expect.stringContaining('STORAGE_S3_BUKCET')]);
  });

  it('names every bad setting at once, and no value of a secret', () => {
    const problems = problemsOf({
      PORT: 'http',
      AVATAR_HISTORY: '0',
      AVATAR_ALLOWED_TYPES: 'jpeg,heic',
      STORAGE_BACKEND: 's3',
      STORAGE_S3_USE_PATH_STYLE: 'maybe',
      STORAGE_S3_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      STORAGE_S3_ENDPOINT: 'minio:9000',
      API_KEYS: 'not-a-sum',
      NODE_ENV: 'test',
    });
    const named = [
      'PORT',
      'AVATAR_HISTORY',
      'AVATAR_ALLOWED_TYPES',
      'STORAGE_S3_USE_PATH_STYLE',
      'STORAGE_S3_BUCKET',
    ];
    for (const name of [...named, 'STORAGE_S3_SECRET_ACCESS_KEY', 'STORAGE_S3_ENDPOINT', 'API_KEYS']) {
      expect(problems.join('\n')).toContain(name);
    }
    expect(problems.join('\n')).not.toMatch(/AKIAEXAMPLE|not-a-sum/);
  });

  it.each(['ftp://cdn.example', 'cdn.example', 'https://user@cdn.example', 'https://cdn.example/?x=1'])(
    'refuses %s as a place of default pictures',
    (url) => {
      expect(load({ GRAVATAR_DEFAULT_URLS: 'https://cdn.example, http://local:8080/a/' })).toMatchObject({
        gravatarDefaultUrls: ['https://cdn.example', 'http://local:8080/a/'],
      });
      expect(problemsOf({ GRAVATAR_DEFAULT_URLS: `https://cdn.example,${url}` })).toEqual([
        expect.stringContaining('GRAVATAR_DEFAULT_URLS'),
      ]);
    },
  );

  it('refuses to run in production without keys, and says how to make one', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([expect.stringMatching(/API_KEYS.*openssl/)]);
    expect(problemsOf({ NODE_ENV: 'production', API_KEYS: 'a'.repeat(64) })).toEqual([]);
  });

  it('names a configuration file that cannot be read', () => {
    expect(problemsOf({ CONFIG_FILE: join(folder, 'absent.yaml') })).toEqual([
      expect.stringMatching(/^CONFIG_FILE: /),
    ]);
    expect(problemsOf({ CONFIG_FILE: file('bad.yaml', 'a: [') })).toEqual([
      expect.stringMatching(/^CONFIG_FILE: /),
    ]);
  });

  it('refuses a grace period in which an upload could be on its way', () => {
    expect(problemsOf({ AVATAR_GRACE_MS: '1000' })).toEqual([expect.stringContaining('AVATAR_GRACE_MS')]);
    const quick = {
      STORAGE_S3_TIMEOUT_MS: '500',
      STORAGE_LOCAL_LOCK_TIMEOUT_MS: '500',
      AVATAR_COMMIT_TIMEOUT_MS: '500',
    };
    expect(problemsOf({ AVATAR_GRACE_MS: '4000', ...quick })).toEqual([]);
  });

  it('knows two fallbacks', () => {
    expect(load({}).storageFallback).toBe('local');
    expect(load({ STORAGE_FALLBACK: 'none' }).storageFallback).toBe('none');
    expect(problemsOf({ STORAGE_FALLBACK: 'tape' })).toEqual([expect.stringContaining('STORAGE_FALLBACK')]);
  });
});
