import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { countOf, putAvatar, sample } from './support/avatars.js';
import { type Report, checksOf, doctor, resultsOf } from './support/doctor.js';
import { start, visage } from './support/program.js';
import { clockAt } from '../support/clock.js';
import { describeS3 } from '../support/s3.js';

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
      seconds: 0.2,
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

describeS3('visage doctor on s3', () => {
  it.each([
    ['STORAGE_S3_BUCKET', 'visage-no-such-bucket', 'NoSuchBucket'],
    ['STORAGE_S3_SECRET_ACCESS_KEY', 'wrong', 'SignatureDoesNotMatch'],
    ['STORAGE_S3_ACCESS_KEY_ID', 'nobody', ''],
  ])('does not blame a permission if %s is wrong', async (setting, value, code) => {
    const report = await doctor({ ...(await s3Environment()), [setting]: value });
    expect(report.findings).toMatchObject([{ code: 'storage', message: containing(code) }]);
    expect(report.code).toBe(3);
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
    expect(stdout).toMatch(/^FAILURE {2}settings +PORT must be an integer number/m);
    expect(stdout).toMatch(/^FAILURE {2}settings +STORAGE_S3_BUCKET must be set when STORAGE_BACKEND is s3/m);
    expect(stdout).toContain(
      'CACHE_BYTE is not a setting of Visage and is ignored. Did you mean CACHE_BYTES?',
    );
    expect(stdout).toMatch(/^skipped {2}others +not checked, because the settings cannot be used$/m);
  });

  it('goes on if only API_KEYS are missing in production', async () => {
    const report = await doctor({ STORAGE_LOCAL_PATH: await newFolder(), NODE_ENV: 'production' });
    expect(report.code).toBe(1);
    expect(report.findings).toMatchObject([{ code: 'settings', message: containing('API_KEYS') }]);
    expect(resultsOf(report)['races']).toEqual(['ok']);
  });

  it('warns in production if nothing says where browsers reach the service', async () => {
    const settings = { NODE_ENV: 'production', API_KEYS: 'a'.repeat(64) };
    const report = await doctor({ STORAGE_LOCAL_PATH: await newFolder(), ...settings });
    expect(report.code).toBe(0);
    expect(checksOf(report, 'settings')).toMatchObject([
      { result: 'warning', message: containing('PUBLIC_BASE_URL nor TRUST_PROXY is set') },
    ]);
  });

  it('passes before the first start, and leaves the empty folder empty', async () => {
    const folder = await newFolder();
    const settings = { STORAGE_LOCAL_PATH: join(folder, 'deep', 'data') };
    const report = await doctor({ ...settings, UPLOAD_SPOOL_PATH: join(folder, 'spool') });
    expect(report).toMatchObject({ code: 0, findings: [], storage: settings.STORAGE_LOCAL_PATH });
    expect(checksOf(report, 'storage')).toMatchObject([
      { result: 'warning', message: containing(`${settings.STORAGE_LOCAL_PATH} is not there yet`) },
    ]);
    const results = resultsOf(report);
    for (const name of ['list', 'read', 'write', 'delete', ...TRIALS]) expect(results[name]).toEqual(['ok']);
    expect(results['disk']).toHaveLength(2);
    expect(await readdir(folder)).toEqual([]);
  });

  it('prints each line as soon as it is known', async () => {
    const settings = { STORAGE_LOCAL_PATH: await newFolder() };
    const { process, ended } = await start(settings, 'doctor', '--seconds', '999');
    let printed = '';
    for await (const chunk of process.stdout ?? []) {
      printed += String(chunk);
      if (/^ok +conditional-writes .*\n/m.test(printed)) break;
    }
    // The races that come next take a quarter of an hour.
    expect(process.exitCode).toBeNull();
    process.kill('SIGKILL');
    await ended;
  });

  it('goes on to its end if nobody reads its lines any more', async () => {
    const folder = await newFolder();
    const { process, ended } = await start({ STORAGE_LOCAL_PATH: folder }, 'doctor', '--seconds', '1');
    process.stdout?.once('data', () => process.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect((await readdir(folder)).sort()).toEqual(['.locks', '.tmp']);
  });

  it('says why if the folder of a new storage cannot be made', async () => {
    const report = await doctor({ STORAGE_LOCAL_PATH: '/proc/nothing/data' });
    expect(report.code).toBe(3);
    expect(report.findings).toMatchObject([
      { code: 'disk', message: containing('STORAGE_LOCAL_PATH /proc/nothing/data cannot be used') },
      { code: 'storage', message: containing('/proc/nothing/data does not answer') },
    ]);
    expect(resultsOf(report)).toMatchObject({ races: ['skipped'], fonts: ['ok'] });
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
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
    });
    expect(report.code).toBe(3);
    expect(report.findings).toMatchObject([
      {
        code: 'storage',
        message: containing('ECONNREFUSED: nothing answers at STORAGE_S3_ENDPOINT'),
      },
    ]);
    expect(checksOf(report, 'races')).toMatchObject([
      { result: 'skipped', message: 'not checked, because "storage" has not passed' },
    ]);
    expect(resultsOf(report)).toMatchObject({ clock: ['skipped'], pictures: ['ok'], fonts: ['ok'] });
  });

  it.each([['0'], ['0.0'], ['-1'], ['1.55'], ['soon'], ['1000']])('refuses --seconds %s', async (seconds) => {
    expect(await visage({}, 'doctor', '--seconds', seconds)).toMatchObject({ code: 2, stdout: '' });
  });
});
