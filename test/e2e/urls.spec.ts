import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import request from 'supertest';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import { s3Client, testS3 } from '../support/s3.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';
import { until } from '../support/until.js';

interface Url {
  url: string;
  version: string;
  expiresAt: string | null;
}

async function urlFrom(service = ''): Promise<Url> {
  const answer = await request(service).get('/v1/avatars/Me/url?size=64&format=webp').expect(200);
  return answer.body as Url;
}

const tiny = () =>
  sharp({ create: { width: 200, height: 200, channels: 3, background: 'teal' } })
    .png()
    .toBuffer();

// The same server under another name, as browsers outside of a cluster know it.
const publicEndpoint = (testS3?.endpoint ?? 'http://127.0.0.1').replace('127.0.0.1', 'localhost');

/** Each has a service of its own. */
const SETTINGS = {
  none: {},
  base: { PUBLIC_BASE_URL: 'https://avatars.example/base/' },
  presignedBase: { URL_MODE: 'presigned', PUBLIC_BASE_URL: 'https://a.example' },
  presignedService: { URL_MODE: 'presigned', SERVICE_BASE_URL: 'https://s.example' },
  cdn: { URL_MODE: 'public', PUBLIC_BASE_URL: 'https://cdn.example/bucket' },
  cdnAndService: {
    URL_MODE: 'public',
    PUBLIC_BASE_URL: 'https://cdn.example',
    SERVICE_BASE_URL: 'https://s.example/x/',
  },
  baseAndService: { PUBLIC_BASE_URL: 'https://a.example', SERVICE_BASE_URL: 'https://s.example' },
  presigned: { URL_MODE: 'presigned', URL_EXPIRES_IN: '600', STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint },
  public: { URL_MODE: 'public', STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint },
} satisfies Record<string, Environment>;

/** How far the clock of the S3 server may seem to be off. */
const CLOCK_MS = 60_000;

type Name = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Name[];

describe.each(backends)('URLs on $name', (backend) => {
  let services: RunningService[] = [];
  let environments: Environment[];
  beforeAll(async () => {
    environments = await Promise.all(NAMES.map(() => backend.environment()));
    services = await startServices(NAMES.map((name, i) => ({ ...environments[i], ...SETTINGS[name] })));
    const picture = await tiny();
    for (const { url } of services) await request(url).put('/v1/avatars/Me').send(picture).expect(201);
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
  });

  const addressOf = (name: Name) => services[NAMES.indexOf(name)]?.url ?? '';

  /** Of the picture, at a size that nobody has asked for yet: a test that needs it has the settings for itself. */
  const urlIn = (name: Name) => urlFrom(addressOf(name));

  async function expectPicture(url: string): Promise<void> {
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(answer.headers.get('cache-control')).toContain('immutable');
    const picture = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
    expect(picture).toMatchObject({ format: 'webp', width: 64 });
  }

  it('point to the service by default, at the host of the request', async () => {
    const { url, version, expiresAt } = await urlIn('none');
    expect(url).toBe(`${addressOf('none')}/v1/avatars/~4de/${version}/64.webp`);
    expect(expiresAt).toBeNull();
    await expectPicture(url);
  });

  it('start with PUBLIC_BASE_URL if it is set', async () => {
    const { url, version } = await urlIn('base');
    expect(url).toBe(`https://avatars.example/base/v1/avatars/~4de/${version}/64.webp`);
  });

  it('are PUBLIC_BASE_URL plus the key for a public bucket or a CDN', async () => {
    const { url, version } = await urlIn('cdn');
    expect(url).toBe(`https://cdn.example/bucket/avatars/~4de/${version}/64.webp`);
  });

  it.each<[name: Name, base: string]>([
    ['base', 'https://avatars.example/base'],
    ['presignedBase', 'https://a.example'],
    ['presignedService', 'https://s.example'],
    ['cdnAndService', 'https://s.example/x'],
    ['baseAndService', 'https://s.example'],
  ])('of the service itself, in info and Location, with the settings %s are below %s', async (name, base) => {
    const info = await request(addressOf(name)).get('/v1/avatars/Me/info').expect(200);
    const { version, urls } = info.body as { version: string; urls: Record<string, string> };
    expect(urls['64']).toBe(`${base}/v1/avatars/~4de/${version}/64.jpeg`);
    const again = await request(addressOf(name))
      .put('/v1/avatars/a:b')
      .send(await tiny())
      .expect(201);
    expect(again.headers['location']).toBe(`${base}/v1/avatars/a%3Ab`);
  });

  it("point to the host of the request if the mode is public and only the bucket's base is set", async () => {
    const info = await request(addressOf('cdn')).get('/v1/avatars/Me/info').expect(200);
    const { urls } = info.body as { urls: Record<string, string> };
    expect((await fetch(urls['32'] ?? '')).status).toBe(200);
  });

  it("never enlarge: a size above the master's gives the master's, and a size out of bounds gives 404", async () => {
    const address = addressOf('none');
    const { version, urls } = (await request(address).get('/v1/avatars/Me/info')).body as {
      version: string;
      urls: object;
    };
    const sizes = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
    expect(Object.keys(urls)).toEqual([...sizes.map(String), 'master']);
    for (const path of [`~4de/${version}/1024.jpeg`, `~4de/${version}/200.jpeg`, 'Me?size=1024']) {
      const answer = await fetch(`${address}/v1/avatars/${path}`);
      const picture = sharp(Buffer.from(await answer.arrayBuffer()));
      expect(await picture.metadata()).toMatchObject({ format: 'jpeg', width: 200, height: 200 });
    }
    await request(address)
      .get(`/v1/avatars/~4de/${version}/1025.jpeg`)
      .expect(404, /rendition_not_found/);
  });

  it('are not given for an avatar without a picture', async () => {
    await request(addressOf('none'))
      .get('/v1/avatars/nobody/url')
      .expect(404, /avatar_not_found/);
  });

  if (backend.name === 'local') {
    it.each(['public', 'presigned'] as const)(
      'are the service’s own in the mode %s too: a disk has none',
      async (mode) => {
        const { url, expiresAt } = await urlIn(mode);
        expect(expiresAt).toBeNull();
        await expectPicture(url);
      },
    );
  }

  if (backend.name === 's3' && testS3) {
    const s3 = testS3;

    it('are presigned for the public endpoint, and expire', async () => {
      const asked = Date.now();
      const found = await urlIn('presigned');
      const answered = Date.now();
      expect(found.url).toMatch(new RegExp(`^${publicEndpoint}/.*X-Amz-Expires=600`));
      const expires = Date.parse(found.expiresAt ?? '');
      // The server's clock counts, and it tells whole seconds only.
      expect(expires).toBeGreaterThan(asked + 300_000 - CLOCK_MS);
      expect(expires).toBeLessThan(answered + 600_000 + CLOCK_MS);
      await expectPicture(found.url);
      // What is damaged in the bucket is made again before its URL is given.
      const [presigned] = await startServices([
        { ...environments[NAMES.indexOf('presigned')], ...SETTINGS.presigned, CACHE_BYTES: '0' },
      ]);
      const { version } = found;
      const store = openBackend(environments[NAMES.indexOf('presigned')] ?? {});
      await store.store(`avatars/~4de/${version}/64.webp`, Buffer.alloc(0));
      const path = '/v1/avatars/Me/url?size=64&format=webp';
      const again = await request(presigned?.url ?? '')
        .get(path)
        .expect(200);
      await expectPicture((again.body as Url).url);
      await request(presigned?.url ?? '')
        .get(path)
        .set('if-none-match', String(again.headers['etag']))
        .expect(304);
      await store.delete(`avatars/~4de/${version}/master.jpeg`);
      await request(presigned?.url ?? '')
        .get('/v1/avatars/Me/url')
        .expect(503, /picture_unreadable/);
      await presigned?.stop();
      expect((await fetch(found.url.replace(/X-Amz-Signature=./, 'X-Amz-Signature=g'))).status).toBe(403);
    });

    it('are the same from every replica, and change with time', async () => {
      const environment = { ...(await backend.environment()), ...SETTINGS.presigned };
      // It stands still an hour ago: the bucket's own clock counts.
      const wrongClock = clockAt(Date.now() - 3_600_000);
      const replicas = await startServices([
        ...['604800', '604800', '2'].map((life) => ({ ...environment, URL_EXPIRES_IN: life })),
        ...['604800', '600'].map((life) => ({ ...environment, URL_EXPIRES_IN: life, ...wrongClock })),
      ]);
      try {
        const [first, second, brief, late, lateAndShort] = replicas.map(({ url }) => url);
        const put = request(first ?? '').put('/v1/avatars/Me');
        await put.send(await tiny()).expect(201);
        const found = await urlFrom(first);
        expect(await urlFrom(first)).toEqual(found);
        expect(await urlFrom(second)).toEqual(found);
        expect(await urlFrom(late)).toEqual(found);
        await expectPicture(found.url);
        // What was signed by the wrong clock would have expired.
        const fromLate = await urlFrom(lateAndShort);
        await expectPicture(fromLate.url);
        expect(Date.parse(fromLate.expiresAt ?? '')).toBeGreaterThan(Date.now() + 300_000 - CLOCK_MS);
        const old = await urlFrom(brief);
        await until(async () => (await urlFrom(brief)).url !== old.url);
        await until(async () => (await fetch(old.url)).status === 403);
      } finally {
        await Promise.all(replicas.map((replica) => replica.stop()));
      }
    });

    it('say when they stop working if the credentials expire before', async () => {
      const expiration = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1_200_000);
      const { accessKeyId, secretAccessKey } = s3;
      const server = createServer((_, response) => {
        response.setHeader('Content-Type', 'application/json');
        response.end(
          JSON.stringify({
            ...{ AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: '' },
            Expiration: expiration.toISOString(),
          }),
        );
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as AddressInfo;
      const noKeys = { STORAGE_S3_ACCESS_KEY_ID: '', STORAGE_S3_SECRET_ACCESS_KEY: '' };
      const environment = { ...(await backend.environment()), ...SETTINGS.presigned, ...noKeys };
      const services = await startServices(
        ['3600', '600'].map((life) => ({
          ...environment,
          URL_EXPIRES_IN: life,
          AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/`,
        })),
      );
      try {
        const put = request(services[0]?.url ?? '').put('/v1/avatars/Me');
        await put.send(await tiny()).expect(201);
        const [long, short] = await Promise.all(services.map(({ url }) => urlFrom(url)));
        await expectPicture(long?.url ?? '');
        expect(Date.parse(short?.expiresAt ?? '')).toBeLessThan(expiration.getTime());
        // An hour's URL works for half an hour at least, and the credentials for 20 minutes.
        expect(long?.expiresAt).toBe(expiration.toISOString());
      } finally {
        await Promise.all(services.map((service) => service.stop()));
        server.close();
      }
    });

    it('point to the bucket if it is public the way docker-compose.s3.yml makes it, and nothing else in it is public', async () => {
      const bucket = environments[NAMES.indexOf('public')]?.['STORAGE_S3_BUCKET'] ?? '';
      const client = s3Client(s3);
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: await composedPolicy(bucket) }));
      // As a phone took it, with the place where that was.
      const original = 'avatars/old/01890a5d-ac96-774b-bcce-b302099a8057.jpg';
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: original, Body: await tiny() }));
      const { url, version } = await urlIn('public');
      expect(url).toBe(`${publicEndpoint}/${bucket}/avatars/~4de/${version}/64.webp`);
      await expectPicture(url);
      for (const key of ['manifests/~4de.json', original, ''])
        expect((await fetch(`${publicEndpoint}/${bucket}/${key}`)).status).toBe(403);
    });
  }
});

async function composedPolicy(bucket: string): Promise<string> {
  const composed = await readFile('docker-compose.s3.yml', 'utf8');
  const policy = /printf '(\{.*\})' "\$\$BUCKET"/.exec(composed)?.[1];
  if (policy === undefined) throw new Error('docker-compose.s3.yml sets no policy');
  return policy.replace('%s', bucket);
}
