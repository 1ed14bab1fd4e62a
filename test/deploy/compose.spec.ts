import { execFileSync } from 'node:child_process';
import { needs } from '../support/tools.js';

interface Service {
  image?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  restart?: string;
  command?: string[] | null;
  environment?: Record<string, string | null>;
  depends_on?: Record<string, { condition: string }>;
  ports?: { host_ip?: string; target: number; published: string }[];
  healthcheck?: object;
  sysctls?: Record<string, string>;
}

const ONE = ['docker-compose.yml'];
const MINIO = [...ONE, 'docker-compose.s3.yml'];
const SEAWEEDFS = [...MINIO, 'docker-compose.seaweedfs.yml'];
const BUCKET = [...MINIO, 'docker-compose.bucket.yml'];

/** The services that Compose makes of files and variables, without those of this machine. */
function servicesOf(files: string[], variables: Record<string, string> = {}): Record<string, Service> {
  const options = files.flatMap((file) => ['--file', file]);
  const config = ['--env-file', '/dev/null', ...options, 'config', '--format', 'json'];
  const env = { PATH: process.env['PATH'], ...variables };
  const rendered = execFileSync('docker-compose', config, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return (JSON.parse(rendered) as { services: Record<string, Service> }).services;
}

const VARIANTS = [
  { name: 'one Visage', files: ONE, variables: {}, services: ['visage'] },
  { name: 'MinIO', files: MINIO, variables: {}, services: ['minio', 'minio-init', 'proxy', 'visage'] },
  {
    name: 'SeaweedFS',
    files: SEAWEEDFS,
    variables: {},
    services: ['proxy', 'seaweedfs', 'seaweedfs-init', 'visage'],
  },
  {
    name: 'a bucket that exists',
    files: BUCKET,
    variables: { STORAGE_S3_BUCKET: 'mine' },
    services: ['proxy', 'visage'],
  },
];

needs('docker-compose').each(VARIANTS)('Compose: $name', ({ files, variables, services: names }) => {
  let services: Record<string, Service>;
  beforeAll(() => {
    services = servicesOf(files, variables);
  });

  it('starts these services, which wait for no other', () => {
    expect(Object.keys(services).sort()).toEqual(names);
    for (const { depends_on = {} } of Object.values(services)) {
      expect(names).toEqual(expect.arrayContaining(Object.keys(depends_on)));
    }
  });

  it('restricts every service, and publishes ports on this machine only', () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
      // MinIO writes to its own file system.
      expect([name, service.read_only ?? false]).toEqual([name, name !== 'minio']);
      expect(service.image ?? ':built').toMatch(/:(?!latest$)[\w.-]+$/);
      for (const { host_ip } of service.ports ?? []) expect(host_ip).toBe('127.0.0.1');
    }
  });

  it("limits the kernel's memory for clients that take nothing, wherever clients connect", () => {
    for (const name of ['visage', ...(names.includes('proxy') ? ['proxy'] : [])])
      expect([name, services[name]?.sysctls]).toEqual([name, { 'net.ipv4.tcp_wmem': '4096 16384 262144' }]);
  });

  it('publishes only the service with VISAGE_BIND', () => {
    const published = Object.entries(servicesOf(files, { ...variables, VISAGE_BIND: '0.0.0.0' }))
      .flatMap(([name, { ports = [] }]) => ports.map(({ host_ip }) => ({ name, host_ip })))
      .filter(({ host_ip }) => host_ip !== '127.0.0.1');
    expect(published).toEqual([{ name: files === ONE ? 'visage' : 'proxy', host_ip: '0.0.0.0' }]);
  });
});

needs('docker-compose')('Compose with a bucket', () => {
  it('has the proxy check replicas where they listen for operators', () => {
    const portsWith = (variables: Record<string, string>) => {
      const { visage, proxy } = servicesOf(MINIO, variables);
      return [visage?.environment?.['OPS_PORT'], proxy?.environment?.['VISAGE_CHECK_PORT']];
    };
    expect(portsWith({ OPS_PORT: '3001' })).toEqual(['3001', '3001']);
    expect(portsWith({})).toEqual([null, '3000']);
  });

  it.each([
    ['SeaweedFS', SEAWEEDFS],
    ['a bucket that exists', BUCKET],
  ])('changes only where the bucket is, for %s', (_, files) => {
    const variables = { STORAGE_S3_BUCKET: 'mine' };
    const [minio, other] = [servicesOf(MINIO, variables), servicesOf(files, variables)];
    expect(other['proxy']).toEqual(minio['proxy']);
    const elsewhere = (service?: Service) => ({
      ...service,
      depends_on: undefined,
      environment: Object.entries(service?.environment ?? {}).filter(
        ([name]) => !name.startsWith('STORAGE_S3_'),
      ),
    });
    expect(elsewhere(other['visage'])).toEqual(elsewhere(minio['visage']));
    expect(JSON.stringify(servicesOf(files, variables))).not.toMatch(/minio/i);
  });

  const SERVERS = [
    { server: 'minio', files: MINIO, user: 'MINIO_ROOT_USER', secret: 'MINIO_ROOT_PASSWORD' },
    {
      server: 'seaweedfs',
      files: SEAWEEDFS,
      user: 'STORAGE_S3_ACCESS_KEY_ID',
      secret: 'STORAGE_S3_SECRET_ACCESS_KEY',
    },
  ];

  it.each(SERVERS)('waits for $server and its bucket, which is where Visage looks', ({ server, files }) => {
    const services = servicesOf(files, { STORAGE_S3_BUCKET: 'mine' });
    expect(services['visage']?.depends_on).toMatchObject({
      [server]: { condition: 'service_healthy' },
      [`${server}-init`]: { condition: 'service_completed_successfully' },
    });
    expect(services[server]?.healthcheck).toBeDefined();
    const { hostname, port } = new URL(services['visage']?.environment?.['STORAGE_S3_ENDPOINT'] ?? '');
    expect([hostname, services[server]?.ports?.map(({ target }) => target)]).toEqual([
      server,
      expect.arrayContaining([Number(port)]),
    ]);
    for (const name of ['visage', `${server}-init`]) {
      expect(Object.values(services[name]?.environment ?? {})).toContain('mine');
    }
  });

  it.each(SERVERS)(
    'gives $server and Visage the keys of the environment',
    ({ server, files, user, secret }) => {
      const services = servicesOf(files, { [user]: 'their-user', [secret]: 'their-secret' });
      expect(services['visage']?.environment).toMatchObject({
        STORAGE_S3_ACCESS_KEY_ID: 'their-user',
        STORAGE_S3_SECRET_ACCESS_KEY: 'their-secret',
      });
      for (const name of [server, `${server}-init`]) {
        const { environment = {}, ...rest } = services[name] ?? {};
        expect(Object.values(environment)).toEqual(expect.arrayContaining(['their-user', 'their-secret']));
        // Whoever sees the list of processes would see a key in a command.
        expect(JSON.stringify(rest)).not.toContain('their-');
      }
      const wellKnown = /minioadmin|visage-secret/;
      expect(JSON.stringify(services)).not.toMatch(wellKnown);
      expect(JSON.stringify(servicesOf(files))).toMatch(wellKnown);
    },
  );

  it('makes the same public on every server: pictures of versions, nothing else', () => {
    const policies = SERVERS.map(({ server, files }) => {
      const script = servicesOf(files)[`${server}-init`]?.command?.join('\n') ?? '';
      return /printf '(\{.*\})'/.exec(script)?.[1] ?? 'none';
    });
    expect(new Set(policies).size).toBe(1);
    expect(JSON.parse(policies[0] ?? '')).toMatchObject({
      Statement: [{ Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::%s/avatars/*/*/*'] }],
    });
  });

  it('uses a bucket that exists also without the proxy of docker-compose.s3.yml', () => {
    const { visage } = servicesOf([...ONE, 'docker-compose.bucket.yml'], { STORAGE_S3_BUCKET: 'mine' });
    expect(visage?.environment).toMatchObject({ STORAGE_BACKEND: 's3', STORAGE_S3_BUCKET: 'mine' });
  });

  it('passes on what is set for a bucket that exists, and needs its name', () => {
    const variables = { STORAGE_S3_BUCKET: 'mine', STORAGE_S3_ENDPOINT: 'https://s3.example' };
    const { visage } = servicesOf(BUCKET, variables);
    expect(visage?.environment).toMatchObject({ ...variables, STORAGE_S3_ACCESS_KEY_ID: null });
    expect(visage?.depends_on).toBeUndefined();
    expect(() => servicesOf(BUCKET)).toThrow(/STORAGE_S3_BUCKET is missing a value: the name of the bucket/);
  });
});
