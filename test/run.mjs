// The one command for all tests: builds the service, finds or starts a real S3 server, runs Jest, and stops the server.
// Arguments go to Jest: `npm test -- test/images`.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';

const MINIO_IMAGE = process.env.MINIO_IMAGE ?? 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z';
const CEPH = 'test/support/ceph-rgw.sh';

/** Programs that the tests run, and Debian's packages that have them. */
const TOOLS = {
  dnsmasq: 'dnsmasq-base',
  exiftool: 'libimage-exiftool-perl',
  haproxy: 'haproxy',
  kubectl: 'kubernetes-client',
  promtool: 'prometheus',
  strace: 'strace',
};

/** Modules of Perl that the tests use, and Debian's packages that have them. */
const PERL_MODULES = { 'Libravatar::URL': 'libgravatar-url-perl' };

const scratch = mkdtempSync(join(tmpdir(), 'visage-test-'));
let stopS3 = () => {};
process.exitCode = 1;
try {
  run('npm', ['run', 'build', '--silent']);
  installTools();
  const environment = startS3();
  const results = join(scratch, 'results.json');
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
  ];
  const arguments_ = [...jest, '--json', `--outputFile=${results}`, ...process.argv.slice(2)];
  spawnSync(process.execPath, arguments_, { stdio: 'inherit', env: { ...process.env, ...environment } });
  report(JSON.parse(readFileSync(results, 'utf8')));
} catch (error) {
  console.error(error.message);
} finally {
  stopS3();
  rmSync(scratch, { recursive: true, force: true });
}

function report({ success, numPassedTests, numFailedTests, numRuntimeErrorTestSuites }) {
  if (process.env.SKIP_S3 === '1') console.log('SKIP_S3=1: the S3 suite was left out.');
  console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed`);
  if (success && numPassedTests > 0) process.exitCode = 0;
}

/** Where they cannot be installed, the tests that need them fail and say which one is missing. */
function installTools() {
  const packages = [
    ...Object.keys(TOOLS).flatMap((tool) => (has(tool) ? [] : TOOLS[tool])),
    ...Object.keys(PERL_MODULES).flatMap((name) => (hasPerl(name) ? [] : PERL_MODULES[name])),
  ];
  if (packages.length === 0 || process.getuid() !== 0 || !has('apt-get')) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env });
}

function has(tool) {
  return spawnSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' }).status === 0;
}

function hasPerl(name) {
  return spawnSync('perl', [`-M${name}`, '-e', '1'], { stdio: 'ignore' }).status === 0;
}

/** @returns the variables that tell the tests where the server is */
function startS3() {
  if (process.env.SKIP_S3 === '1' || process.env.TEST_S3_ENDPOINT) return {};
  if (canRunMinio()) return startMinio();
  const folder = join(scratch, 'ceph');
  stopS3 = () => run(CEPH, ['down', folder]);
  return parseVariables(
    execFileSync(CEPH, ['up', folder, '2'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  );
}

function canRunMinio() {
  const engine = spawnSync('docker', ['info'], { stdio: 'ignore' });
  if (engine.status !== 0) return false;
  const present = spawnSync('docker', ['image', 'inspect', MINIO_IMAGE], { stdio: 'ignore' });
  if (present.status === 0) return true;
  return (
    spawnSync('docker', ['pull', '--quiet', MINIO_IMAGE], { stdio: 'ignore', timeout: 300_000 }).status === 0
  );
}

function startMinio() {
  const [user, password] = [randomUUID(), randomUUID()];
  const settings = ['--env', `MINIO_ROOT_USER=${user}`, '--env', `MINIO_ROOT_PASSWORD=${password}`];
  const options = [
    'run',
    '--detach',
    '--rm',
    '--publish',
    '127.0.0.1::9000',
    ...settings,
    MINIO_IMAGE,
    'server',
    '/data',
  ];
  const container = execFileSync('docker', options, { encoding: 'utf8' }).trim();
  stopS3 = () => run('docker', ['stop', '--time', '1', container]);
  const port = execFileSync('docker', ['port', container, '9000'], { encoding: 'utf8' })
    .trim()
    .split(':')
    .at(-1);
  run('docker', ['exec', container, 'mc', 'ready', 'local'], { timeout: 60_000 });
  return {
    TEST_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    TEST_S3_ACCESS_KEY_ID: user,
    TEST_S3_SECRET_ACCESS_KEY: password,
  };
}

function parseVariables(text) {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

function run(command, options, settings = {}) {
  execFileSync(command, options, { stdio: ['ignore', 'ignore', 'inherit'], ...settings });
}
