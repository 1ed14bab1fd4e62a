import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { startImpostor } from '../support/impostor.js';

/** Runs `npm run compat`, which here never gets as far as building anything. */
async function compat(environment: Record<string, string>, ...parameters: string[]) {
  const child = spawn(process.execPath, ['test/compat.mjs', ...parameters], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await exited) as [number | null];
  return { code, stdout, stderr };
}

/** `expect.stringMatching` is of the type any. */
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);

const KEYS = { TEST_S3_ACCESS_KEY_ID: 'somebody', TEST_S3_SECRET_ACCESS_KEY: 'secret' };

describe('npm run compat', () => {
  it('prints its usage on --help', async () => {
    expect(await compat({}, '--help')).toMatchObject({ code: 0, stdout: matching(/^usage: /), stderr: '' });
  });

  it.each([
    [[], /^name one server/],
    [['nothing'], /^name one server/],
    [['ceph', 'minio'], /^name one server/],
    [['ceph', '--seconds'], /--seconds/],
    [['ceph', '--seconds', 'long'], /^--seconds takes a number/],
    [['ceph', '--fast'], /--fast/],
  ])('refuses %j, and prints its usage', async (parameters, reason) => {
    const { code, stdout, stderr } = await compat({}, ...parameters);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(reason);
    expect(stderr).toContain('\nusage: npm run compat');
    expect(stderr).not.toContain('    at ');
  });

  it('asks for the keys of a server that runs already', async () => {
    const { code, stdout, stderr } = await compat({}, 'http://127.0.0.1:1');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^TEST_S3_ACCESS_KEY_ID and TEST_S3_SECRET_ACCESS_KEY must be set/);
  });

  it('says so before it builds anything if nothing listens there', async () => {
    const { code, stdout, stderr } = await compat(KEYS, 'http://127.0.0.1:1');
    expect([code, stdout]).toEqual([1, 'asking http://127.0.0.1:1 for its buckets\n']);
    expect(stderr).toMatch(/^http:\/\/127\.0\.0\.1:1 cannot be used: ECONNREFUSED/);
  });

  it('says so before it builds anything if the server refuses the keys', async () => {
    const impostor = await startImpostor({ rejects: 'InvalidAccessKeyId' });
    try {
      const { code, stdout, stderr } = await compat(KEYS, impostor.endpoint);
      expect([code, stdout]).toEqual([1, `asking ${impostor.endpoint} for its buckets\n`]);
      expect(stderr).toContain('cannot be used: InvalidAccessKeyId');
    } finally {
      await impostor.stop();
    }
  });
});
