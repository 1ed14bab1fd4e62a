import { type ChildProcess, execFile, spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { send } from '../http/support/client.js';
import { AvatarClient, expectStatus } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { difference, painted, reference } from '../support/pictures.js';
import { freePort, listens } from '../support/ports.js';
import { type RunningService, startService } from '../support/service.js';
import { needs } from '../support/tools.js';

/** As a program in CommonJS has them; of their types, what is used here. */
const require = createRequire(import.meta.url);
const gravatar = require('gravatar') as { url(email: string, options: Record<string, string>): string };
const libravatar = require('libravatar') as {
  get_avatar_url(options: Record<string, string>): Promise<string>;
};
type Render = (element: (component: object, data: { props: object }) => unknown) => unknown;
const Vue = require('vue') as new (options: { render: Render }) => object;
const { createRenderer } = require('vue-server-renderer') as {
  createRenderer: () => { renderToString(vm: object): Promise<string> };
};
const { default: VueGravatar } = require('vue-gravatar') as { default: object };

const run = promisify(execFile);

const [DOMAIN, KNOWN, UNKNOWN] = ['example.org', 'Ada@Example.org', 'Nobody@Example.org'];

interface Wish {
  size: number;
  default: string;
}

interface World {
  /** Of the service, with a slash at its end. */
  url: string;
  /** Of the name server of the domain. */
  dnsPort: number;
}

type Client = [name: string, urlOf: (email: string, wish: Wish, world: World) => Promise<string>];

// Clients as they are, each with its own way to be told of another server than Gravatar's.
const OF_NPM: Client[] = [
  [
    'gravatar of npm, by its option cdn',
    (email, wish, { url }) => {
      const options = { cdn: url.slice(0, -1), s: String(wish.size), d: wish.default, r: 'x' };
      return Promise.resolve(gravatar.url(email, options));
    },
  ],
  [
    'vue-gravatar of npm, rendered, by its property hostname',
    async (email, wish, { url }) => {
      const { host: hostname } = new URL(url);
      const props = { email, size: wish.size, defaultImg: wish.default, hostname, protocol: 'http' };
      const html = await createRenderer().renderToString(
        new Vue({ render: (element) => element(VueGravatar, { props }) }),
      );
      return (/ src="([^"]+)"/.exec(html)?.[1] ?? '').replaceAll('&amp;', '&');
    },
  ],
];

const OF_NPM_BY_DNS: Client[] = [
  [
    'libravatar of npm, by the SRV record of the domain',
    async (email, wish, { dnsPort }) => {
      const before = dns.getServers();
      dns.setServers([`127.0.0.1:${dnsPort}`]);
      try {
        return await libravatar.get_avatar_url({ email, size: String(wish.size), default: wish.default });
      } finally {
        dns.setServers(before);
      }
    },
  ],
];

const OF_PERL: Client[] = [
  [
    'Gravatar::URL of Perl, by its option base',
    (email, wish, { url }) =>
      perl(
        'print gravatar_url(email => shift, size => shift, default => shift, base => shift, rating => "x")',
        {
          module: 'Gravatar::URL',
          values: [email, String(wish.size), wish.default, `${url}avatar`],
        },
      ),
  ],
];

const OF_PERL_BY_DNS: Client[] = [
  [
    'Libravatar::URL of Perl, by the SRV record of the domain',
    (email, wish, { dnsPort }) =>
      perl('print libravatar_url(email => shift, size => shift, default => shift)', {
        module: 'Libravatar::URL',
        values: [email, String(wish.size), wish.default],
        // https://metacpan.org/pod/Net::DNS::Resolver#ENVIRONMENT
        environment: { RES_NAMESERVERS: '127.0.0.1', RES_OPTIONS: `port:${dnsPort}` },
      }),
  ],
];

const OF_PYTHON: Client[] = [
  [
    'django-gravatar2 of Python, by its setting GRAVATAR_URL',
    async (email, wish, { url }) => {
      const program = `import sys
from django.conf import settings
settings.configure(GRAVATAR_URL=sys.argv[1], GRAVATAR_SECURE_URL=sys.argv[1])
from django_gravatar.helpers import get_gravatar_url
print(get_gravatar_url(sys.argv[2], size=int(sys.argv[3]), default=sys.argv[4]), end='')`;
      const values = [url, email, String(wish.size), wish.default];
      return (await run('/usr/bin/python3', ['-c', program, ...values])).stdout;
    },
  ],
];

async function perl(
  program: string,
  options: { module: string; values: string[]; environment?: Record<string, string> },
): Promise<string> {
  const { module, values, environment } = options;
  const { stdout } = await run('perl', [`-M${module}`, '-e', program, ...values], {
    env: { ...process.env, ...environment },
  });
  return stdout;
}

describe('an unmodified client', () => {
  let service: RunningService;
  let world: World;
  let uploaded: Buffer;

  beforeAll(async () => {
    service = await startService(await local.environment());
    world = { url: `${service.url}/`, dnsPort: await freePort() };
    uploaded = await painted(256, 256, reference(256, 256)).png().toBuffer();
    const avatar = new AvatarClient(service.url, 'ada');
    expectStatus(201, await avatar.upload(uploaded));
    expectStatus(200, await avatar.setAliases({ emails: [KNOWN] }));
  });
  afterAll(() => service.stop());

  const get = async (url: string) => {
    expect(url.startsWith(`${service.url}/avatar/`)).toBe(true);
    return send(service.url, { path: url.slice(service.url.length) });
  };
  const shows = (clients: Client[]) => {
    it.each(clients)('%s: shows the picture that was uploaded, or the default', async (_, urlOf) => {
      const url = await urlOf(KNOWN, { size: 120, default: '404' }, world);
      const shown = expectStatus(200, await get(url));
      const facts = { format: url.includes('.jpg?') ? 'jpeg' : 'png', width: 120, height: 120 };
      expect(await sharp(shown.body).metadata()).toMatchObject(facts);
      expect(await difference(shown.body, uploaded)).toBeLessThan(6);

      const drawn = expectStatus(
        200,
        await get(await urlOf(UNKNOWN, { size: 120, default: 'monsterid' }, world)),
      );
      expect(await sharp(drawn.body).metadata()).toMatchObject(facts);
      expect(await difference(drawn.body, uploaded)).toBeGreaterThan(30);
      expectStatus(404, await get(await urlOf(UNKNOWN, { size: 120, default: '404' }, world)));
    });
  };

  shows(OF_NPM);
  needs('Libravatar::URL')('of Perl', () => {
    shows(OF_PERL);
  });

  needs('django-gravatar')('of Python', () => {
    shows(OF_PYTHON);
  });

  needs('dnsmasq')('that asks the DNS', () => {
    let nameServer: ChildProcess;
    beforeAll(async () => {
      const { port } = new URL(service.url);
      nameServer = await startNameServer(world.dnsPort, `_avatars._tcp.${DOMAIN},127.0.0.1,${port}`);
    });
    afterAll(() => {
      nameServer.kill();
    });

    shows(OF_NPM_BY_DNS);
    needs('Libravatar::URL')('of Perl', () => {
      shows(OF_PERL_BY_DNS);
    });
  });
});

/** @param record of dnsmasq's option --srv-host */
async function startNameServer(port: number, record: string): Promise<ChildProcess> {
  const child = spawn(
    'dnsmasq',
    [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--log-facility=-',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
      '--listen-address=127.0.0.1',
      `--port=${port}`,
      `--srv-host=${record}`,
    ],
    { stdio: 'ignore' },
  );
  await once(child, 'spawn');
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error(`dnsmasq ended with ${child.exitCode}`);
    await sleep(20);
  }
  return child;
}
