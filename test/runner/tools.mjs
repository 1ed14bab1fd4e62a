// The programs that some tests run. A test names one with `needs('strace')`.
import { spawnSync } from 'node:child_process';
import { succeed } from './processes.mjs';

/**
 * By name: a command that succeeds if the tool is here, and the Debian package that contains it.
 * @type {Record<string, { package?: string | string[], probe: string[], version?: { pattern: RegExp, least: string } }>}
 */
const TOOLS = {
  'Libravatar::URL': { package: 'libgravatar-url-perl', probe: ['perl', '-MLibravatar::URL', '-e', '1'] },
  'django-gravatar': {
    package: 'python3-django-gravatar2',
    // Debian's own, whichever python3 comes first.
    probe: ['/usr/bin/python3', '-c', 'import django_gravatar'],
  },
  chromium: { package: 'chromium-headless-shell', probe: ['chromium-headless-shell', '--version'] },
  dnsmasq: { package: 'dnsmasq-base', probe: ['dnsmasq', '--version'] },
  'docker-compose': {
    package: 'docker-compose',
    probe: ['docker-compose', 'version', '--short'],
    // `!override`, and an `env_file` that may be missing
    version: { pattern: /(\d+\.\d+)/, least: '2.24' },
  },
  exiftool: { package: 'libimage-exiftool-perl', probe: ['exiftool', '-ver'] },
  haproxy: { package: 'haproxy', probe: ['haproxy', '-v'] },
  kubectl: {
    package: 'kubernetes-client',
    probe: ['kubectl', 'version', '--client', '--output=json'],
    // The manifests use components, which came with this version: https://github.com/kubernetes-sigs/kustomize/pull/2438
    version: { pattern: /"gitVersion": "v(\d+\.\d+)/, least: '1.21' },
  },
  nginx: {
    package: ['nginx', 'libnginx-mod-http-cache-purge'],
    probe: ['sh', '-c', 'nginx -v 2>&1 && test -e /usr/lib/nginx/modules/ngx_http_cache_purge_module.so'],
    // With 1.22, as in Debian 12, its module 2.3 crashes at each PURGE.
    version: { pattern: /nginx\/(\d+\.\d+)/, least: '1.26' },
  },
  promtool: { package: 'prometheus', probe: ['promtool', '--version'] },
  root: { probe: ['sh', '-c', 'test "$(id -u)" = 0'] },
  strace: { package: 'strace', probe: ['strace', '-V'] },
};

/**
 * Installs the missing tools, if it can.
 * @param {string[]} names
 * @returns {Promise<Map<string, string>>} the tools that are still missing, and what is wrong
 */
export async function provideTools(names) {
  const unknown = names.filter((name) => !Object.hasOwn(TOOLS, name));
  if (unknown.length > 0)
    throw new Error(`a test needs ${unknown.join()}, which test/runner/tools.mjs does not know`);
  const packages = names
    .filter((name) => faultOf(name) !== undefined)
    .flatMap((name) => TOOLS[name].package ?? []);
  if (packages.length > 0 && process.getuid() === 0 && isHere(['apt-get', '--version'])) {
    console.log(`installing ${packages.join(', ')}`);
    await succeed('test/support/install-packages.sh', packages, { toTheEnd: true });
  }
  return new Map(names.flatMap((name) => (faultOf(name) === undefined ? [] : [[name, faultOf(name)]])));
}

/** @returns {string | undefined} what is wrong with a tool, if anything, in one sentence */
function faultOf(name) {
  const { probe, version, package: debian } = TOOLS[name];
  const [program, ...parameters] = probe;
  const { status, stdout } = spawnSync(program, parameters, { encoding: 'utf8' });
  if (status !== 0)
    return debian
      ? `${name} is missing (Debian's package ${[debian].flat().join(' and ')})`
      : `they need ${name}`;
  if (version === undefined) return undefined;
  const [, found = 'unknown'] = version.pattern.exec(stdout) ?? [];
  return isAtLeast(found, version.least)
    ? undefined
    : `${name} is too old: ${found}, and ${version.least} is needed`;
}

function isHere([program, ...parameters]) {
  return spawnSync(program, parameters, { stdio: 'ignore' }).status === 0;
}

function isAtLeast(found, least) {
  const [[major, minor], [leastMajor, leastMinor]] = [found, least].map((text) =>
    text.split('.').map(Number),
  );
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
