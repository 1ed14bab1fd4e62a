import { createHash } from 'node:crypto';
import { type Faults, type Impostor, type Permission, startImpostor } from '../support/impostor.js';
import type { Environment } from '../support/service.js';
import { type Report, checksOf, doctor, resultsOf } from './support/doctor.js';

const BUCKET = 'pictures';

/** For a fault that only comes up now and then, in s. */
const LONG_ENOUGH = 1;

/** Examines a server that does something wrong, for some seconds. @returns the report, and the keys that are left */
async function examine(
  faults: Faults,
  change: (impostor: Impostor) => Environment = () => ({}),
  seconds?: number,
): Promise<Report & { left: string[] }> {
  const impostor = await startImpostor(faults);
  try {
    const settings = {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: impostor.endpoint,
      STORAGE_S3_BUCKET: BUCKET,
      STORAGE_S3_ACCESS_KEY_ID: impostor.accessKeyId,
      STORAGE_S3_SECRET_ACCESS_KEY: impostor.secretAccessKey,
      STORAGE_S3_USE_PATH_STYLE: 'true',
      ...change(impostor),
    };
    const report = await doctor(settings, seconds);
    return { ...report, left: [...impostor.objects.keys()].filter((path) => path.includes('/probes/')) };
  } finally {
    await impostor.stop();
  }
}

/** `expect.stringContaining` is of the type any. */
const containing = (text: string): unknown => expect.stringContaining(text);

/** A check that was not run blames another one, which has a line that says why. */
function expectSkipsToNameWhatIsShown({ checks }: Report): void {
  const blamed = checks.flatMap(
    ({ message }) => /^not checked, because "(.*)" has not passed$/.exec(message)?.[1] ?? [],
  );
  expect(blamed.length).toBeGreaterThan(0);
  expect(checks.map(({ check }) => check)).toEqual(expect.arrayContaining(blamed));
}

const codes = ({ findings }: Report) => findings.map(({ code }) => code);

describe('visage doctor', () => {
  it('passes a sound server', async () => {
    const report = await examine({ etags: 'opaque' });
    expect(report).toMatchObject({ code: 0, findings: [], left: [] });
    expect(resultsOf(report)).toMatchObject({
      excess: ['ok'],
      clock: ['ok'],
      anonymous: ['ok'],
      races: ['ok'],
    });
  });

  it.each(['md5', 'opaque'] as const)(
    'finds out a server that lies, with etags that are %s',
    async (etags) => {
      const report = await examine({ lies: 'to readers', etags }, undefined, LONG_ENOUGH);
      expect(codes(report)).toEqual(['reads']);
      expect(report).toMatchObject({ code: 1, left: [] });
      expect((checksOf(report, 'reads')[0]?.measured as { discarded: number }).discarded).toBeGreaterThan(0);
    },
  );

  it('finds out a server whose conditional writes hold only one after the other', async () => {
    const report = await examine({ races: true }, undefined, LONG_ENOUGH);
    expect(report).toMatchObject({ code: 1, left: [] });
    expect(codes(report)).toEqual(['races']);
    expect(resultsOf(report)['conditional-writes']).toEqual(['ok']);
    expect(checksOf(report, 'races')[0]?.advice).toContain('Run ONE replica only');
  });

  it('finds out a server that ignores preconditions', async () => {
    const report = await examine({ ignoresPreconditions: true });
    expect(report).toMatchObject({ code: 1, left: [] });
    expect(codes(report)).toEqual(['conditional-writes']);
    expect(checksOf(report, 'races')).toMatchObject([
      { result: 'skipped', message: 'not checked, because "conditional-writes" has not passed' },
    ]);
    expect(resultsOf(report)).toMatchObject({ reads: ['ok'], listing: ['ok'] });
  });

  it.each<[Permission, Record<string, string[]>]>([
    ['list', { list: ['failure'], read: ['ok'], write: ['ok'], delete: ['ok'], reads: ['ok'] }],
    ['read', { list: ['ok'], read: ['failure'], write: ['ok'], delete: ['ok'], reads: ['skipped'] }],
    ['write', { list: ['ok'], read: ['ok'], write: ['failure'], delete: ['ok'], races: ['skipped'] }],
    ['delete', { list: ['ok'], read: ['ok'], write: ['skipped'], delete: ['failure'], races: ['skipped'] }],
  ])('names the permission to %s if it is missing, and no other', async (permission, results) => {
    const report = await examine({ refuses: [permission] });
    expect(codes(report)).toEqual([permission]);
    expect(resultsOf(report)).toMatchObject({ ...results, storage: ['ok'], pictures: ['ok'] });
    expect(report).toMatchObject({ code: 1, left: [] });
    expect(checksOf(report, permission)[0]?.advice).toContain('Grant s3:');
  });

  it('says so in one line if the keys may do nothing at all', async () => {
    const report = await examine({ refuses: ['list', 'read', 'write', 'delete'] });
    expect(codes(report)).toEqual(['permissions']);
    expect(report).toMatchObject({ code: 3, left: [] });
    const [line] = checksOf(report, 'permissions');
    expect(line?.message).toMatch(/^may not list, read, write or delete: AccessDenied/);
    expect(line?.advice).toContain('s3:DeleteObject');
    expectSkipsToNameWhatIsShown(report);
  });

  it.each([
    ['NoSuchBucket', 'Make the bucket'],
    ['InvalidAccessKeyId', 'Set STORAGE_S3_ACCESS_KEY_ID'],
    ['SignatureDoesNotMatch', 'Set STORAGE_S3_ACCESS_KEY_ID'],
  ] as const)('says that the storage cannot be used at all: %s', async (rejects, advice) => {
    const report = await examine({ rejects });
    expect(codes(report)).toEqual(['storage']);
    expect(report).toMatchObject({ code: 3, left: [] });
    expect(checksOf(report, 'storage')).toMatchObject([
      { result: 'failure', message: containing(rejects), advice: containing(advice) },
    ]);
    expect(checksOf(report, 'races')).toMatchObject([
      { result: 'skipped', message: 'not checked, because "storage" has not passed' },
    ]);
    expectSkipsToNameWhatIsShown(report);
  });

  it('warns of keys that may do more than Visage needs', async () => {
    const report = await examine({ isGenerous: true });
    expect(report).toMatchObject({ code: 0, findings: [] });
    expect(checksOf(report, 'excess')).toMatchObject([
      {
        result: 'warning',
        message: containing("list other buckets (1), and read the bucket's policy"),
      },
    ]);
  });

  it.each([
    [-3_600_000, 'failure', 'behind'],
    [60_000, 'warning', 'ahead of'],
  ] as const)('tells a clock that is %d ms ahead: %s', async (clockOffsetMs, result, direction) => {
    const report = await examine({ clockOffsetMs });
    const [clock] = checksOf(report, 'clock');
    expect(clock).toMatchObject({ result, message: containing(direction) });
    const { offsetMs } = clock?.measured as { offsetMs: number };
    expect(Math.abs(offsetMs - clockOffsetMs)).toBeLessThan(30_000);
    expect(report.code).toBe(result === 'failure' ? 1 : 0);
  });

  it('fails if anybody can list the bucket, and warns if anybody can read more than pictures', async () => {
    const report = await examine({ lets: ['list', 'read'] });
    expect(codes(report)).toEqual(['anonymous']);
    expect(resultsOf(report)['anonymous']).toEqual(['failure', 'warning']);
    expect(report).toMatchObject({ code: 1, left: [] });
  });

  it('fails if anybody can write or delete', async () => {
    const report = await examine({ lets: ['write', 'delete'] });
    expect(codes(report)).toEqual(['anonymous', 'anonymous']);
    expect(report.findings.map(({ message }) => message.split(' objects')[0])).toEqual([
      'anybody can write',
      'anybody can delete',
    ]);
  });

  describe('on URL_MODE', () => {
    const addPicture = ({ objects }: Impostor) => {
      const bytes = Buffer.from('a picture');
      const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
      objects.set(`/${BUCKET}/avatars/alice/1/64.webp`, { etag, headers: {}, bytes, modifiedAt: new Date() });
    };
    const publicAt = ({ endpoint }: Impostor) => ({
      URL_MODE: 'public',
      PUBLIC_BASE_URL: `${endpoint}/${BUCKET}`,
    });

    it('presigned fetches an object without keys', async () => {
      const report = await examine({}, () => ({ URL_MODE: 'presigned' }));
      expect(checksOf(report, 'urls')).toMatchObject([
        { result: 'ok', message: containing('a presigned URL') },
      ]);
      expect(report).toMatchObject({ code: 0, left: [] });
    });

    it('presigned fails if the public endpoint does not give the object', async () => {
      const other = await startImpostor();
      try {
        const settings = { URL_MODE: 'presigned', STORAGE_S3_PUBLIC_ENDPOINT: other.endpoint };
        const report = await examine({}, () => settings);
        expect(checksOf(report, 'urls')).toMatchObject([
          { result: 'failure', message: containing('answered 404') },
        ]);
        expect(codes(report)).toEqual(['urls']);
      } finally {
        await other.stop();
      }
    });

    it('presigned warns if the public endpoint cannot be reached from here', async () => {
      const settings = { URL_MODE: 'presigned', STORAGE_S3_PUBLIC_ENDPOINT: 'http://127.0.0.1:1' };
      const report = await examine({}, () => settings);
      expect(report).toMatchObject({ code: 0, findings: [] });
      expect(resultsOf(report)).toMatchObject({ urls: ['warning'], anonymous: ['ok', 'skipped'] });
    });

    it('public fetches a picture that is there', async () => {
      const report = await examine({ lets: ['read'] }, (impostor) => {
        addPicture(impostor);
        return publicAt(impostor);
      });
      expect(report).toMatchObject({ code: 0, left: [] });
      expect(resultsOf(report)).toMatchObject({ urls: ['ok'], anonymous: ['warning'] });
    });

    it('public fails if the picture is not public', async () => {
      const report = await examine({}, (impostor) => {
        addPicture(impostor);
        return publicAt(impostor);
      });
      expect(codes(report)).toEqual(['urls']);
      expect(checksOf(report, 'urls')[0]?.message).toContain('answered 403');
    });

    it('public says so if there is no picture to try', async () => {
      const report = await examine({}, publicAt);
      expect(checksOf(report, 'urls')).toMatchObject([
        { result: 'skipped', message: containing('no picture is stored yet') },
      ]);
      expect(report.code).toBe(0);
    });
  });
});
