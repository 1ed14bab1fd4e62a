import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countOf, putAvatar, sample } from './support/avatars.js';
import { type Report, checksOf, doctor, resultsOf } from './support/doctor.js';
import { visage } from './support/program.js';
import { openBackend } from '../support/backend.js';
import { clockAt } from '../support/clock.js';
import { describeS3 } from '../support/s3.js';
import { backends, s3Environment } from '../support/service.js';

const TRIALS = ['conditional-writes', 'races', 'reads', 'listing', 'latency', 'pictures', 'fonts'];

/** `expect.stringContaining` is of the type any. */
const containing = (text: string): unknown => expect.stringContaining(text);

const newFolder = () => mkdtemp(join(tmpdir(), 'visage-doctor-'));

describe.each(backends)('visage doctor on $name', (backend) => {
  let settings: Record<string, string>;
  let report: Report;

  beforeAll(async () => {
    settings = { ...(await backend.environment()), OUTBOX_PATH: await newFolder() };
    await putAvatar(openBackend(settings), 'alice', [await sample(0)]);
    report = await doctor(settings);
  });

  it('finds nothing wrong with a sound storage', () => {
    expect(report.findings).toEqual([]);
    expect(report.code).toBe(0);
    const results = resultsOf(report);
    for (const name of ['settings', 'storage', 'list', 'read', 'write', 'delete', 'urls', ...TRIALS])
      expect([name, results[name]]).toEqual([name, ['ok']]);
    for (const result of results['disk'] ?? []) expect(['ok', 'warning']).toContain(result);
  });

  it('says how much it tried and measured', () => {
    const [races] = checksOf(report, 'races');
    expect(races?.measured).toMatchObject({
      seconds: 1,
      create: { severalWinners: 0, noWinner: 0, lostWinner: 0 },
      replace: { severalWinners: 0, noWinner: 0, lostWinner: 0 },
    });
    const { create, replace } = races?.measured as Record<string, { rounds: number }>;
    expect(races?.message).toContain(`${(create?.rounds ?? 0) + (replace?.rounds ?? 0)} races of 8 writers`);
    for (const call of ['store', 'get', 'exists', 'list', 'delete'])
      expect(checksOf(report, 'latency')[0]?.measured).toHaveProperty([call, 'p99Ms']);
  });

  it('leaves nothing behind, and the avatars alone', async () => {
    const store = openBackend(settings);
    expect(await countOf(store, 'probes/')).toBe(0);
    expect(await countOf(store, '')).toBe(3);
    expect(await readdir(settings['OUTBOX_PATH'] ?? '')).toEqual([]);
    const { STORAGE_LOCAL_PATH: path } = settings;
    if (path === undefined) return;
    expect((await readdir(path)).sort()).toEqual(['.locks', '.tmp', 'avatars', 'manifests']);
    expect(await readdir(join(path, '.tmp'))).toEqual([]);
  });
});

describeS3('visage doctor on s3 from a machine with a wrong clock', () => {
  it('says so, and goes on by the clock of the bucket', async () => {
    const anHourAgo = Date.now() - 3_600_000;
    const report = await doctor({ ...(await s3Environment()), ...clockAt(anHourAgo), URL_MODE: 'presigned' });
    expect(report.findings).toMatchObject([
      { code: 'clock', message: containing("ahead of this machine's") },
    ]);
    expect(report.code).toBe(1);
    expect(resultsOf(report)).toMatchObject({ write: ['ok'], races: ['ok'], urls: ['ok'] });
  });
});

describe('visage doctor', () => {
  it('prints a line for each check, and the sum', async () => {
    const { code, stdout, stderr } = await visage(
      { STORAGE_LOCAL_PATH: await newFolder() },
      'doctor',
      '--seconds',
      '1',
    );
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trim().split('\n');
    expect(lines.find((line) => line.includes('races'))).toMatch(
      /^ok +races +they hold: \d+ races of 8 writers in 1 s/,
    );
    expect(lines.at(-1)).toMatch(/^doctor: \d+ ok, \d+ warnings?, 0 failures, 0 not checked$/);
  });

  it('names all problems of the settings at once, and stops there', async () => {
    const { code, stdout } = await visage({ PORT: 'many', CACHE_BYTE: '1', STORAGE_BACKEND: 's3' }, 'doctor');
    expect(code).toBe(2);
    expect(stdout).toContain('FAILURE  settings  PORT must be an integer number');
    expect(stdout).toContain('FAILURE  settings  STORAGE_S3_BUCKET must be set when STORAGE_BACKEND is s3');
    expect(stdout).toContain(
      'CACHE_BYTE is not a setting of Visage and is ignored. Did you mean CACHE_BYTES?',
    );
    expect(stdout).toContain('skipped  others    not checked, because the settings cannot be used');
  });

  it('goes on if only API_KEYS are missing in production', async () => {
    const report = await doctor({ STORAGE_LOCAL_PATH: await newFolder(), NODE_ENV: 'production' });
    expect(report.code).toBe(1);
    expect(report.findings).toMatchObject([{ code: 'settings', message: containing('API_KEYS') }]);
    expect(resultsOf(report)['races']).toEqual(['ok']);
  });

  it('makes no folder that is not there', async () => {
    const folder = await newFolder();
    const report = await doctor({
      STORAGE_LOCAL_PATH: join(folder, 'data'),
      UPLOAD_SPOOL_PATH: join(folder, 'spool'),
    });
    expect(report.code).toBe(3);
    expect(report.findings).toMatchObject([{ code: 'storage' }]);
    expect(resultsOf(report)).toMatchObject({ disk: ['ok', 'ok'], races: ['skipped'], fonts: ['ok'] });
    expect(await readdir(folder)).toEqual([]);
  });

  it('reports folders that cannot be used', async () => {
    const report = await doctor({
      STORAGE_LOCAL_PATH: await newFolder(),
      UPLOAD_SPOOL_PATH: '/proc/nothing/spool',
    });
    expect(report.code).toBe(1);
    expect(report.findings).toMatchObject([
      {
        code: 'disk',
        message: containing('UPLOAD_SPOOL_PATH /proc/nothing/spool cannot be used'),
      },
    ]);
  });

  it('ends with 3 if nothing answers, and says what was not checked', async () => {
    const report = await doctor({
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_ACCESS_KEY_ID: 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: 'none',
      STORAGE_S3_ATTEMPTS: '1',
    });
    expect(report.code).toBe(3);
    expect(report.findings).toMatchObject([
      {
        code: 'storage',
        message: containing('ECONNREFUSED: nothing answers at STORAGE_S3_ENDPOINT'),
      },
    ]);
    expect(checksOf(report, 'races')).toMatchObject([
      { result: 'skipped', message: 'not checked, because "read" has not passed' },
    ]);
    expect(resultsOf(report)).toMatchObject({ clock: ['skipped'], pictures: ['ok'], fonts: ['ok'] });
  });

  it.each([['0'], ['-1'], ['1.5'], ['soon'], ['1000']])('refuses --seconds %s', async (seconds) => {
    expect(await visage({}, 'doctor', '--seconds', seconds)).toMatchObject({ code: 2, stdout: '' });
  });
});
