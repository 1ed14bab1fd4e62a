import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { parse as parseYaml } from 'yaml';
import { CDN_CHECK } from '../../src/cdn/check-settings.js';
import {
  InvalidSettings,
  loadSettings as loadChecked,
  warningOfOwnUrls,
} from '../../src/config/load-settings.js';
import { yamlKeyOf } from '../../src/config/setting-names.js';
import { Constants } from '../../src/config/constants.js';
import { SETTINGS, variableOf } from '../../src/config/settings.js';

const folder = mkdtempSync(join(tmpdir(), 'visage-settings-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const loadSettings = (environment: Record<string, string>, dotenvPath: string) =>
  loadChecked(environment, CDN_CHECK, dotenvPath);
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

/** The configuration file of the service that Visage grew from, with other sections of it. */
const SEED = `
server:
  host: 0.0.0.0
  port: 8096
  shutdown_timeout: 10s
database:
  url: postgres://revenge@localhost/revenge
  max_conns: 0
cache:
  url: redis://dragonfly:6379
  enabled: true
search:
  api_key: xyz
logging:
  level: info
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
  max_size_bytes: 2097152
  allowed_types: [image/jpeg, image/webp]
`;

/** An identity provider, whose keys are somewhere. */
const PROVIDER = {
  JWT_ISSUER: 'https://login.example',
  JWT_JWKS_URL: 'https://login.example/jwks',
  JWT_AUDIENCE: 'avatars',
};
/** From RFC 7517, appendix A.1. */
const EC_KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
};
const jwks = (...keys: object[]) => JSON.stringify({ keys });

describe('.env.example', () => {
  const example = parse(readFileSync('.env.example'));

  it('lists every setting and no other', () => {
    const settings = SETTINGS.map(variableOf);
    expect(Object.keys(example).sort()).toEqual(settings.sort());
  });

  it('gives the defaults', () => {
    expect(load(example)).toEqual(load({}));
  });
});

describe('deploy/visage.yaml', () => {
  const keysOf = (value: unknown, path: readonly string[] = []): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, inner]) => keysOf(inner, [...path, key]))
      : [path.join('.')];

  it('lists every setting but CONFIG_FILE, in its form, and no other', () => {
    const settings = SETTINGS.map(variableOf);
    const keys = settings.filter((variable) => variable !== 'CONFIG_FILE').map(yamlKeyOf);
    const example = parseYaml(readFileSync('deploy/visage.yaml', 'utf8')) as unknown;
    expect(keysOf(example).sort()).toEqual(keys.sort());
  });

  it('gives the defaults', () => {
    expect(load({ CONFIG_FILE: 'deploy/visage.yaml' })).toEqual(
      Object.assign(load({}), { configFile: 'deploy/visage.yaml' }),
    );
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

  it('understands the configuration file of the seed, and leaves its other sections alone', () => {
    expect(load({ CONFIG_FILE: file('seed.yaml', SEED) })).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      storageBackend: 's3',
      storageLocalPath: '/data/storage',
      storageS3Endpoint: 'http://minio:9000',
      storageS3Region: 'us-west-2',
      storageS3Bucket: 'revenge-avatars',
      storageS3AccessKeyId: 'minioadmin',
      storageS3SecretAccessKey: '0123',
      storageS3UsePathStyle: true,
      avatarMaxSizeBytes: 2_097_152,
      avatarAllowedTypes: ['jpeg', 'webp'],
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
    [{ REVENGE_AVATAR_STORAGE_PATH: '/legacy' }, '/legacy'],
  ])('from %j keeps objects in %s', (environment, path) => {
    expect(load(environment).storageLocalPath).toBe(path);
  });

  it('complains of an unknown backend and uses local', () => {
    const { settings, complaints, unknownBackend } = loadSettings(
      { STORAGE_BACKEND: 'ftp' },
      file('empty.env', ''),
    );
    expect(settings.storageBackend).toBe('local');
    expect(unknownBackend).toBe('ftp');
    expect(complaints).toEqual([expect.stringMatching(/"ftp".*this machine's disk, in \.\/data/)]);
  });

  it.each(['S3', 's3', 'Local', 'LOCAL'])('knows the backend %s', (backend) => {
    const { settings, complaints, unknownBackend } = loadSettings(
      { STORAGE_BACKEND: backend, STORAGE_S3_BUCKET: 'one' },
      file('empty.env', ''),
    );
    expect(settings.storageBackend).toBe(backend.toLowerCase());
    expect(unknownBackend).toBeUndefined();
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

  it.each([
    ['storage: { s3: { accessKeyId: x } }', 'storage.s3.accessKeyId', 'storage.s3.access_key_id'],
    ['storage: { s3: { bukcet: x } }', 'storage.s3.bukcet', 'storage.s3.bucket'],
    ['storage_s3: { bukcet: x }', 'storage_s3.bukcet', 'storage_s3.bucket'],
    ['Storage: { S3: { secret_key: x } }', 'Storage.S3.secret_key', 'Storage.S3.secret_access_key'],
    ['storag: { s3: { bucket: x } }', 'storag.s3.bucket', 'storage.s3.bucket'],
    ['avatar: { max_size: 1 }', 'avatar.max_size', 'avatar.max_size_bytes'],
    ['cache: { byte: 1 }', 'cache.byte', 'cache.bytes'],
    ['avatar_histroy: 1', 'avatar_histroy', 'avatar_history'],
    ['logLevel: debug', 'logLevel', 'log_level'],
    ['api_key: [a, b]', 'api_key', 'api_keys'],
  ])('refuses %j in the YAML file, and says what was meant in the same form', (yaml, written, meant) => {
    const config = file('typo.yaml', `${yaml}\nserver: { other: 1 }`);
    expect(problemsOf({ CONFIG_FILE: config })).toEqual([
      `${written} in the configuration file is not a setting of Visage. Did you mean ${meant}?`,
    ]);
  });

  it.each([
    [`api_keys: { app: ${'a'.repeat(64)} }`, 'api_keys'],
    ['log: { level: { console: debug } }', 'log.level'],
    ['Storage: { Backend: { name: s3 } }', 'Storage.Backend'],
  ])('refuses %j in the YAML file, a section in place of a value', (yaml, setting) => {
    expect(problemsOf({ CONFIG_FILE: file('section.yaml', yaml) })).toEqual([
      `${setting} in the configuration file is no section. Give it a value, or a list of values.`,
    ]);
  });

  it('refuses a key like none in a section of ours, and no other', () => {
    const config = file('unknown.yaml', 'avatar: { bucket_list: x }\ncache: { eviction: lru }\nqueue: 1');
    expect(problemsOf({ CONFIG_FILE: config })).toEqual([
      'avatar.bucket_list in the configuration file is not a setting of Visage. Remove it.',
    ]);
  });

  it.each([
    ['AVATAR_MAX_SIZE_BYTE', 'AVATAR_MAX_SIZE_BYTES'],
    ['REVENGE_AVATAR_MAX_SIZE_BYTE', 'REVENGE_AVATAR_MAX_SIZE_BYTES'],
    ['CACHE_BYTE', 'CACHE_BYTES'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['API_KEY', 'API_KEYS'],
    ['STORAGE_S3_SECRET_KEY', 'STORAGE_S3_SECRET_ACCESS_KEY'],
    ['AVATAR_MAX_SIZE', 'AVATAR_MAX_SIZE_BYTES'],
    ['STORAG_S3_BUCKET', 'STORAGE_S3_BUCKET'],
    ['AVATAR_STORAGE_PAHT', 'AVATAR_STORAGE_PATH'],
  ])('warns of the variable %s, and says what was meant', (written, meant) => {
    const warning = `${written} is not a setting of Visage and is ignored. Did you mean ${meant}?`;
    expect(loadSettings({ [written]: '1' }, file('empty.env', '')).warnings).toEqual([warning]);
    expect(loadSettings({}, file('typo.env', `${written}=1`)).warnings).toEqual([warning]);
  });

  it('ignores the value of a constant, and says so if it is another', () => {
    const { settings, warnings } = loadSettings(
      { STORAGE_S3_ATTEMPTS: '5', REVENGE_CDN_QUEUE: '0', OUTBOX_MAX_AGE_MS: '604800000' },
      file('constants.env', 'HEALTH_TIMEOUT_MS=soon'),
    );
    expect(settings).toMatchObject(Object.assign({}, new Constants()));
    expect(warnings).toEqual([
      'HEALTH_TIMEOUT_MS is not a setting of Visage and is ignored. It is always 1500.',
      'REVENGE_CDN_QUEUE is not a setting of Visage and is ignored. It is always 10000.',
      'STORAGE_S3_ATTEMPTS is not a setting of Visage and is ignored. It is always 3.',
    ]);
  });

  it('refuses another value of a constant in the YAML file, in any section', () => {
    const lines = [
      ...['storage: { s3: { attempts: 5, queue: 1000 } }', 'health: { timeout_ms: 99 }'],
      ...['max_connections: 1', 'image.queue: 7', 'cdn-queue: 10000'],
    ];
    expect(problemsOf({ CONFIG_FILE: file('constants.yaml', lines.join('\n')) })).toEqual([
      'storage.s3.attempts in the configuration file is not a setting of Visage. It is always 3: remove it.',
      'health.timeout_ms in the configuration file is not a setting of Visage. It is always 1500: remove it.',
      'max_connections in the configuration file is not a setting of Visage. It is always 10000: remove it.',
      'image.queue in the configuration file is not a setting of Visage. It is always 256: remove it.',
    ]);
  });

  it('warns of no variable of another program', () => {
    const words = SETTINGS.map((property) => variableOf(property).split('_'));
    const prefixes = words.flatMap((each) => each.map((_, i) => each.slice(0, i + 1).join('_')));
    // What Kubernetes gives every container for a service of that name.
    const links = ['SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_HTTP', 'PORT', 'PORT_80_TCP'];
    const details = ['PROTO', 'PORT', 'ADDR'].map((detail) => `PORT_80_TCP_${detail}`);
    const names = prefixes.flatMap((prefix) => [...links, ...details].map((link) => `${prefix}_${link}`));
    const others = [
      ...['HOME', 'HOSTNAME', 'PATH', 'PWD', 'TMPDIR', 'NODE_OPTIONS', 'NODE_VERSION', 'YARN_VERSION'],
      ...['CACHE_URL', 'CACHE_HOST', 'CACHE_DRIVER', 'CACHE_TTL', 'CACHE_SIZE', 'IMAGE_TAG', 'HOST_IP'],
      ...['REVENGE_SERVER_PORT', 'REVENGE_DATABASE_URL', 'REVENGE_CACHE_URL', 'REVENGE_LOGGING_LEVEL'],
      ...['PORTS', 'POST', 'LOG_FORMAT', 'BASE_URL', 'SERVER_BASE_URL', 'STORAGE_PATH', 'UPLOAD_DIR'],
      ...[
        'AWS_REGION',
        'AWS_ACCESS_KEY_ID',
        'AWS_SECRET_ACCESS_KEY',
        'MALLOC_ARENA_MAX',
        'UV_THREADPOOL_SIZE',
      ],
    ];
    const environment = Object.fromEntries([...names, ...others].map((name) => [name, '1']));
    expect(loadSettings(environment, file('empty.env', '')).warnings).toEqual([]);
  });

  it('names a bad value of the YAML file by its key', () => {
    const config = file('bad-value.yaml', 'avatar: { history: many }');
    expect(problemsOf({ CONFIG_FILE: config }).join()).toMatch(/^avatar\.history must/);
    expect(problemsOf({ CONFIG_FILE: config, AVATAR_HISTORY: 'few' }).join()).toMatch(/^AVATAR_HISTORY must/);
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
      expect(load({ AVATAR_DEFAULT_URLS: 'https://cdn.example, http://local:8080/a/' })).toMatchObject({
        avatarDefaultUrls: ['https://cdn.example', 'http://local:8080/a/'],
      });
      expect(problemsOf({ AVATAR_DEFAULT_URLS: `https://cdn.example,${url}` })).toEqual([
        expect.stringContaining('AVATAR_DEFAULT_URLS'),
      ]);
    },
  );

  it('names the setting that an older one has become', () => {
    const { warnings, settings } = loadSettings(
      { GRAVATAR_DEFAULT_URLS: 'https://cdn.example' },
      file('empty.env', ''),
    );
    expect(settings.avatarDefaultUrls).toEqual([]);
    expect(warnings).toEqual([
      'GRAVATAR_DEFAULT_URLS is not a setting of Visage and is ignored. Did you mean AVATAR_DEFAULT_URLS?',
    ]);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ CDN_PURGE: 'fastly' }, /^CDN_PURGE/],
    [{ CDN_PURGE: 'http' }, /^CDN_HTTP_URL must be set/],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'ftp://cdn.example/{tag}' }, /^CDN_HTTP_URL must be a URL/],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'https://{tag}.cdn.example/' }, /^CDN_HTTP_URL must be a URL/],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'https://me:hush@cdn.example/{tag}' }, /^CDN_HTTP_URL must be a URL/],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'https://cdn.example/' }, /\{tag\} or \{path\}: they have neither/],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'https://cdn.example{path}?{tag}' }, /they have both/],
    [
      { CDN_PURGE: 'http', CDN_HTTP_URL: 'https://cdn.example/{tag}', CDN_HTTP_METHOD: 'post' },
      /^CDN_HTTP_METHOD/,
    ],
    [
      {
        CDN_PURGE: 'http',
        CDN_HTTP_URL: 'https://cdn.example/{tag}',
        CDN_HTTP_METHOD: 'GET',
        CDN_HTTP_BODY: 'x',
      },
      /^CDN_HTTP_BODY cannot be sent with CDN_HTTP_METHOD GET/,
    ],
    ...[
      'Fastly-Key: hush',
      '["hush"]',
      '{"Fastly-Key":7}',
      '{"Fastly Key":"hush"}',
      '{"Fastly-Key":"hush\\n"}',
    ].map((headers): [Record<string, string>, RegExp] => [
      { CDN_PURGE: 'http', CDN_HTTP_URL: 'https://cdn.example/{tag}', CDN_HTTP_HEADERS: headers },
      /^CDN_HTTP_HEADERS must be headers as a JSON object/,
    ]),
    ...['Content-Length', 'host', 'Connection', 'Transfer-Encoding', 'Keep-Alive', 'Upgrade', 'Expect'].map(
      (name): [Record<string, string>, RegExp] => [
        {
          CDN_PURGE: 'http',
          CDN_HTTP_URL: 'https://cdn.example/{tag}',
          CDN_HTTP_HEADERS: JSON.stringify({ [name]: 'hush' }),
        },
        new RegExp(`^CDN_HTTP_HEADERS cannot have ${name}`),
      ],
    ),
    [{ CDN_PURGE: 'cloudfront' }, /^CDN_CLOUDFRONT_DISTRIBUTION_ID must be set/],
    [
      { CDN_PURGE: 'cloudfront', CDN_CLOUDFRONT_DISTRIBUTION_ID: 'arn:aws:x' },
      /must be the id of a distribution/,
    ],
    [{ CDN_CLOUDFRONT_BY: 'urls' }, /^CDN_CLOUDFRONT_BY/],
  ])('refuses %j, by which no CDN could be purged, without a secret', (environment, problem) => {
    expect(problemsOf(environment)).toEqual([expect.stringMatching(problem)]);
    expect(problemsOf(environment).join()).not.toContain('hush');
  });

  it.each<Record<string, string>>([
    { CDN_PURGE: 'http', CDN_HTTP_URL: 'http://127.0.0.1:8080{path}*', CDN_HTTP_METHOD: 'PURGE' },
    { CDN_PURGE: 'http', CDN_HTTP_URL: 'http://cdn', CDN_HTTP_HEADERS: '{"X-Tag":"{tag}"}' },
    { CDN_PURGE: 'http', CDN_HTTP_URL: 'https://cdn.example/a?b=c', CDN_HTTP_BODY: '{"tags":["{tag}"]}' },
    { CDN_PURGE: 'cloudfront', CDN_CLOUDFRONT_DISTRIBUTION_ID: 'E2EXAMPLE1ABCD' },
    { CDN_CLOUDFRONT_DISTRIBUTION_ID: 'E2EXAMPLE1ABCD', CDN_HTTP_URL: 'not used' },
  ])('takes %j', (environment) => {
    expect(problemsOf(environment)).toEqual([]);
  });

  it.each<[Record<string, string>, RegExp[]]>([
    [{ CDN_HTTP_URL: 'http://cdn/{tag}' }, [/CDN_PURGE is none.*CDN_HTTP_URL is ignored.*CDN_PURGE=http/]],
    [{ CDN_MAX_AGE: '60' }, [/CDN_PURGE is none.*CDN_MAX_AGE is ignored.*CACHE_CONTROL_MAX_AGE/]],
    [
      { CDN_HTTP_METHOD: 'BAN', CDN_HTTP_HEADERS: '{"X":"hush"}', CDN_CLOUDFRONT_BY: 'tags' },
      [/CDN_HTTP_METHOD, CDN_HTTP_HEADERS are ignored/, /CDN_CLOUDFRONT_BY is ignored/],
    ],
    [
      { CDN_PURGE: 'cloudfront', CDN_CLOUDFRONT_DISTRIBUTION_ID: 'E2EXAMPLE1ABCD', CDN_HTTP_BODY: '{tag}' },
      [/CDN_PURGE is cloudfront.*CDN_HTTP_BODY is ignored/],
    ],
    [
      {
        CDN_PURGE: 'http',
        CDN_HTTP_URL: 'http://cdn/{tag}',
        URL_MODE: 'presigned',
        STORAGE_BACKEND: 's3',
        STORAGE_S3_BUCKET: 'one',
      },
      [/With URL_MODE presigned.*does not purge/],
    ],
    [
      {
        CDN_PURGE: 'http',
        CDN_HTTP_URL: 'http://cdn/{tag}',
        URL_MODE: 'public',
        PUBLIC_BASE_URL: 'https://cdn.example',
      },
      [/With URL_MODE public.*does not purge/],
    ],
    // The disk has no such URLs, which is a complaint of its own.
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'http://cdn/{tag}', URL_MODE: 'presigned' }, []],
    [{ CDN_PURGE: 'http', CDN_HTTP_URL: 'http://cdn/{tag}', CDN_HTTP_METHOD: 'PURGE' }, []],
    [{ CDN_HTTP_METHOD: 'POST', CDN_CLOUDFRONT_BY: 'paths' }, []],
  ])('warns of what %j does not purge', (environment, expected) => {
    const { warnings } = loadSettings(environment, file('empty.env', ''));
    expect(warnings).toEqual(expected.map((warning): unknown => expect.stringMatching(warning)));
    expect(warnings.join()).not.toContain('hush');
  });

  it('refuses to run in production without keys, and says how to make one', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([expect.stringMatching(/API_KEYS.*openssl/)]);
    expect(problemsOf({ NODE_ENV: 'production', API_KEYS: 'a'.repeat(64) })).toEqual([]);
    expect(problemsOf({ NODE_ENV: 'production', ...PROVIDER })).toEqual([]);
  });

  it.each<[Record<string, string>, RegExp[]]>([
    [{}, []],
    [{ JWT_ISSUER: '' }, [/^JWT_ISSUER must be set.*because JWT_JWKS_URL, JWT_AUDIENCE are set/]],
    [{ JWT_JWKS_URL: '' }, [/^JWT_JWKS_URL or JWT_JWKS must be set.*not both/]],
    [{ JWT_JWKS: jwks() }, [/^JWT_JWKS_URL or JWT_JWKS must be set.*not both/]],
    [{ JWT_JWKS: jwks(EC_KEY) }, [/^JWT_JWKS_URL or JWT_JWKS must be set.*not both/]],
    [{ JWT_JWKS_URL: '', JWT_JWKS: jwks(EC_KEY) }, []],
    [{ JWT_AUDIENCE: '' }, [/^JWT_AUDIENCE must be set.*JWT_AUTHORIZED_PARTIES/]],
    [{ JWT_AUDIENCE: '', JWT_AUTHORIZED_PARTIES: 'app' }, []],
    [{ JWT_AUDIENCE: 'a,,b' }, [/^JWT_AUDIENCE must be 1 to 512.*comma/]],
    [{ JWT_ISSUER: 'a b' }, [/^JWT_ISSUER must be 1 to 512/]],
    [{ JWT_JWKS_URL: 'https://u:p@a.example/jwks' }, [/^JWT_JWKS_URL must be a URL without user/]],
    [{ JWT_JWKS_URL: 'https://a.example/jwks/?p=x' }, []],
    [{ JWT_ALGORITHMS: 'RS256,HS256' }, [/^each value in JWT_ALGORITHMS must be one of.*RS256/]],
    [{ JWT_ALGORITHMS: 'none' }, [/^each value in JWT_ALGORITHMS must be one of/]],
    ...[jwks(), '[]', '{"keys":{}}', 'null', '{"keys":[1]}', 'https://a.example/jwks', '{'].map(
      (text): [Record<string, string>, RegExp[]] => [
        { JWT_JWKS_URL: '', JWT_JWKS: text },
        [/^JWT_JWKS must be a JSON object/],
      ],
    ),
    [
      {
        JWT_JWKS_URL: '',
        JWT_JWKS: jwks(EC_KEY, { kty: 'oct', k: 'c2VjcmV0' }, { ...EC_KEY, d: 'c2VjcmV0' }),
      },
      [/^JWT_JWKS has a secret in key 2:/, /^JWT_JWKS has a secret in key 3:/],
    ],
    [
      { JWT_JWKS_URL: '', JWT_JWKS: jwks({ kty: 'EC', crv: 'P-256', x: 'AA' }) },
      [/^JWT_JWKS has no public key in place 1/],
    ],
  ])('with an identity provider and %j says %j', (environment, expected) => {
    const problems = problemsOf({ ...PROVIDER, ...environment });
    expect(problems).toEqual(expected.map((problem) => expect.stringMatching(problem) as string));
    expect(problems.join()).not.toContain('c2VjcmV0');
  });

  it('says what is wrong with a configuration file, and quotes nothing of it', () => {
    const absent = join(folder, 'absent.yaml');
    expect(problemsOf({ CONFIG_FILE: absent })).toEqual([
      `CONFIG_FILE names ${absent}, and there is no such file.`,
    ]);
    expect(problemsOf({ CONFIG_FILE: folder })).toEqual([
      `CONFIG_FILE names ${folder}, which cannot be read: EISDIR.`,
    ]);
    expect(problemsOf({ CONFIG_FILE: file('list.yaml', '- a') })).toEqual([
      expect.stringContaining('which has no "key: value" lines'),
    ]);
    expect(problemsOf({ CONFIG_FILE: file('empty.yaml', '') })).toEqual([]);
  });

  it.each([
    ['MISSING_CHAR', '"hush }'],
    ['BAD_ALIAS', '*hush'],
    ['TAG_RESOLVE_FAILED', '!hush'],
    ['BAD_ALIAS', '&hush [*hush]'],
  ])(
    'says %s and the line of a configuration file with the secret %s, and prints nothing else of it',
    (code, secret) => {
      const bad = file('bad.yaml', `storage:\n  s3:\n    secret_access_key: ${secret}`);
      expect(problemsOf({ CONFIG_FILE: bad })).toEqual([
        `CONFIG_FILE names ${bad}, which is not valid YAML: ${code} at line 3.`,
      ]);
    },
  );

  it('refuses a section of the configuration file that contains itself, and takes other aliases', () => {
    const bad = file('loop.yaml', 'storage: &a { s3: *a }');
    expect(problemsOf({ CONFIG_FILE: bad })).toEqual([
      `CONFIG_FILE names ${bad}, which is not valid YAML: BAD_ALIAS at line 1.`,
    ]);
    const good = file('alias.yaml', 'avatar: { history: &n 3 }\nimage: { concurrency: *n }');
    expect(load({ CONFIG_FILE: good })).toMatchObject({ avatarHistory: 3, imageConcurrency: 3 });
  });

  it.each([
    ['storage: s3', 'storage', 'storage.backend'],
    ['Storage: s3', 'Storage', 'storage.backend'],
    ['avatar: 5', 'avatar', 'avatar.max_size_bytes'],
    ['url: public', 'url', 'url.mode'],
    ['image: [3]', 'image', 'image.concurrency'],
    ['upload: /x', 'upload', 'upload.timeout_ms'],
  ])('refuses %j in the YAML file: a section has no value of its own', (yaml, written, example) => {
    expect(problemsOf({ CONFIG_FILE: file('section.yaml', `${yaml}\nlogging:\nserver: x`) })).toEqual([
      `${written} in the configuration file is a section and has no value of its own. Set its keys, such as ${example}.`,
    ]);
  });

  it.each(['STORAGE_S3_ENDPOINT', 'STORAGE_S3_PUBLIC_ENDPOINT', 'PUBLIC_BASE_URL', 'SERVICE_BASE_URL'])(
    'refuses a user and password, a query and a fragment in %s, and does not print them',
    (name) => {
      const bad = ['http://usr:hush@host.example', 'https://hush@host.example/', 'http://:hush@host'];
      for (const url of [...bad, 'http://host.example/?hush=1', 'http://host.example/#hush']) {
        expect(problemsOf({ [name]: url })).toEqual([
          `${name} must be a URL without user, password, query and fragment that starts with http:// or https://`,
        ]);
      }
      expect(problemsOf({ [name]: 'http://minio:9000/' })).toEqual([]);
    },
  );

  it.each(['0', 'true', 'localhost', '10.0.0.0/33', '10.0.0.1,2', '10.0.0.1,'])(
    'refuses %s as TRUST_PROXY',
    (value) => {
      expect(problemsOf({ TRUST_PROXY: value })).toEqual([
        expect.stringMatching(/^TRUST_PROXY must be the addresses or networks of your proxies, such as /),
      ]);
    },
  );

  it.each<[environment: Record<string, string>, warns: boolean]>([
    [{}, true],
    [{ NODE_ENV: 'development' }, false],
    [{ TRUST_PROXY: '10.0.0.0/8,::1' }, false],
    [{ PUBLIC_BASE_URL: 'https://a.example' }, false],
    [{ URL_MODE: 'public', PUBLIC_BASE_URL: 'https://cdn.example' }, true],
    [{ URL_MODE: 'public', SERVICE_BASE_URL: 'https://a.example' }, false],
  ])('warns in production if nothing says where browsers reach the service: %j', (environment, warns) => {
    const settings = load({ NODE_ENV: 'production', API_KEYS: 'a'.repeat(64), ...environment });
    const warning = warningOfOwnUrls(settings) ?? '';
    expect(/^Neither (PUBLIC|SERVICE)_BASE_URL nor TRUST_PROXY is set: .* Set /.test(warning)).toBe(warns);
  });

  it.each([
    ['20/1h', { count: 20, seconds: 3600 }],
    ['1/1s', { count: 1, seconds: 1 }],
    ['100/5m', { count: 100, seconds: 300 }],
    ['20/31d', { count: 20, seconds: 2_678_400 }],
  ])('reads the rate %s', (text, rate) => {
    expect(load({ UPLOADS_PER_ADDRESS: text }).uploadsPerAddress).toEqual(rate);
  });

  it.each(['20', '0/1h', '20/0h', '20/h', '20/1w', '20 / 1h', '-1/1h', '1.5/1h', '20/32d', '20/1h,5/1s'])(
    'refuses the rate %s',
    (text) => {
      for (const variable of ['UPLOADS_PER_CREDENTIAL', 'UPLOADS_PER_ADDRESS', 'UPLOADS_PER_AVATAR']) {
        expect(problemsOf({ [variable]: text })).toEqual([
          expect.stringMatching(new RegExp(`^${variable} must be .*20/1h`)),
        ]);
      }
    },
  );

  it.each([
    [{ UPLOADS_PER_CREDENTIAL: '20/1h' }, ['UPLOADS_PER_CREDENTIAL']],
    [{ UPLOADS_PER_ADDRESS: '20/1h' }, []],
    [{ UPLOADS_PER_CREDENTIAL: '20/1h', API_KEYS: 'a'.repeat(64) }, []],
    [{ UPLOADS_PER_ADDRESS: '20/1h', API_KEYS: 'a'.repeat(64) }, ['UPLOADS_PER_ADDRESS']],
    [{ UPLOADS_PER_AVATAR: '10/1h', API_KEYS: 'a'.repeat(64) }, []],
    [{ UPLOADS_PER_ADDRESS: '20/1h', API_KEYS: 'a'.repeat(64), SIGNING_KEYS: 'b'.repeat(32) }, []],
    [{ UPLOADS_PER_CREDENTIAL: '20/1h', SIGNING_KEYS: 'b'.repeat(32) }, []],
    [{ UPLOADS_PER_CREDENTIAL: '20/1h', ...PROVIDER }, []],
    [{ UPLOADS_PER_ADDRESS: '20/1h', API_KEYS: 'a'.repeat(64), ...PROVIDER }, []],
  ])('with %j warns of the limits that count nothing: %j', (environment, variables) => {
    const { warnings } = loadSettings(environment, file('empty.env', ''));
    expect(warnings).toEqual(
      variables.map((variable) => expect.stringMatching(`${variable} has no effect.*API_KEYS`) as string),
    );
  });

  it('warns that a proxy hides the addresses that are to be counted, in production', () => {
    const keys = {
      API_KEYS: 'a'.repeat(64),
      SIGNING_KEYS: 'b'.repeat(32),
      PUBLIC_BASE_URL: 'https://a.example',
    };
    const warningsWith = (more: Record<string, string>) =>
      loadSettings({ ...keys, UPLOADS_PER_ADDRESS: '20/1h', ...more }, file('empty.env', '')).warnings;
    expect(warningsWith({ NODE_ENV: 'production' })).toEqual([
      expect.stringMatching(/UPLOADS_PER_ADDRESS.*proxy.*TRUST_PROXY/),
    ]);
    expect(warningsWith({ NODE_ENV: 'production', TRUST_PROXY: '1' })).toEqual([]);
  });

  it.each([
    'b'.repeat(31),
    `${'b'.repeat(32)},short`,
    `${'b'.repeat(32)},`,
    `${'b'.repeat(20)} ${'b'.repeat(20)}`,
  ])('refuses %j as keys that sign tickets, and repeats none of them', (text) => {
    const [problem = '', ...rest] = problemsOf({ SIGNING_KEYS: text });
    expect([problem, rest]).toEqual([
      expect.stringMatching(/^SIGNING_KEYS must be secrets.*32.*openssl/),
      [],
    ]);
    expect(problem).not.toMatch(/bbb|short/);
  });

  it('takes ten keys that sign tickets, and no more', () => {
    const keys = (count: number) => Array.from({ length: count }, (_, i) => `${i}`.repeat(32));
    expect(load({ SIGNING_KEYS: keys(10).join() }).signingKeys).toEqual(keys(10));
    expect(problemsOf({ SIGNING_KEYS: keys(11).join() })).toEqual([
      expect.stringMatching(/SIGNING_KEYS.*10/),
    ]);
  });

  it('refuses to count more uploads of an avatar than its history remembers', () => {
    expect(problemsOf({ UPLOADS_PER_AVATAR: '20/1h' })).toEqual([
      expect.stringMatching(/UPLOADS_PER_AVATAR .*AVATAR_HISTORY.*is 10.* set AVATAR_HISTORY to 20/),
    ]);
    expect(problemsOf({ UPLOADS_PER_AVATAR: '20/1h', AVATAR_HISTORY: '20' })).toEqual([]);
  });

  it('refuses a grace period in which an upload could be on its way', () => {
    expect(problemsOf({ AVATAR_GRACE_MS: '1000' })).toEqual([expect.stringContaining('AVATAR_GRACE_MS')]);
    expect(problemsOf({ AVATAR_GRACE_MS: '79999' })).toHaveLength(1);
    expect(problemsOf({ AVATAR_GRACE_MS: '80000' })).toEqual([]);
    expect(problemsOf({ AVATAR_GRACE_MS: '40000', STORAGE_S3_TIMEOUT_MS: '500' })).toEqual([]);
  });

  it('knows two fallbacks', () => {
    expect(load({}).storageFallback).toBe('local');
    expect(load({ STORAGE_FALLBACK: 'none' }).storageFallback).toBe('none');
    expect(problemsOf({ STORAGE_FALLBACK: 'tape' })).toEqual([expect.stringContaining('STORAGE_FALLBACK')]);
  });
});
