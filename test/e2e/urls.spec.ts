import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import sharp from 'sharp';
import request from 'supertest';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { s3Client, testS3 } from '../support/s3.js';

interface Url {
  url: string;
  version: string;
  expiresAt: string | null;
}

const tiny = () =>
  sharp({ create: { width: 200, height: 200, channels: 3, background: 'teal' } })
    .png()
    .toBuffer();

describe.each(backends)('URLs on $name', (backend) => {
  let service: RunningService | undefined;
  afterEach(async () => {
    await service?.stop();
  });

  /** Starts the service, uploads a picture and asks for its URL at a size that nobody has asked for yet. */
  async function urlIn(settings: Environment, environment?: Environment): Promise<Url> {
    service = await startService({ ...(environment ?? (await backend.environment())), ...settings });
    await request(service.url)
      .put('/v1/avatars/Me')
      .send(await tiny())
      .expect(201);
    const answer = await request(service.url).get('/v1/avatars/Me/url?size=64&format=webp').expect(200);
    return answer.body as Url;
  }

  async function expectPicture(url: string): Promise<void> {
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect(answer.headers.get('cache-control')).toContain('immutable');
    const picture = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
    expect(picture).toMatchObject({ format: 'webp', width: 64 });
  }

  it("are the service's own by default, below the host that was asked", async () => {
    const { url, version, expiresAt } = await urlIn({});
    expect(url).toBe(`${service?.url ?? ''}/v1/avatars/~4de/${version}/64.webp`);
    expect(expiresAt).toBeNull();
    await expectPicture(url);
  });

  it('are below PUBLIC_BASE_URL where it is set', async () => {
    const { url, version } = await urlIn({ PUBLIC_BASE_URL: 'https://avatars.example/base/' });
    expect(url).toBe(`https://avatars.example/base/v1/avatars/~4de/${version}/64.webp`);
  });

  it('are PUBLIC_BASE_URL and the key for a public bucket or a CDN', async () => {
    const { url, version } = await urlIn({
      URL_MODE: 'public',
      PUBLIC_BASE_URL: 'https://cdn.example/bucket',
    });
    expect(url).toBe(`https://cdn.example/bucket/avatars/~4de/${version}/64.webp`);
  });

  it.each<[settings: Environment, base: string]>([
    [{ PUBLIC_BASE_URL: 'https://a.example' }, 'https://a.example'],
    [{ URL_MODE: 'presigned', PUBLIC_BASE_URL: 'https://a.example' }, 'https://a.example'],
    [{ URL_MODE: 'presigned', SERVICE_BASE_URL: 'https://s.example' }, 'https://s.example'],
    [
      {
        URL_MODE: 'public',
        PUBLIC_BASE_URL: 'https://cdn.example',
        SERVICE_BASE_URL: 'https://s.example/x/',
      },
      'https://s.example/x',
    ],
    [{ PUBLIC_BASE_URL: 'https://a.example', SERVICE_BASE_URL: 'https://s.example' }, 'https://s.example'],
  ])('of the service itself, in info and Location, with %j are below %s', async (settings, base) => {
    await urlIn(settings);
    const address = service?.url ?? '';
    const info = await request(address).get('/v1/avatars/Me/info').expect(200);
    const { version, urls } = info.body as { version: string; urls: Record<string, string> };
    expect(urls['64']).toBe(`${base}/v1/avatars/~4de/${version}/64.jpeg`);
    const again = await request(address)
      .put('/v1/avatars/a:b')
      .send(await tiny())
      .expect(201);
    expect(again.headers['location']).toBe(`${base}/v1/avatars/a%3Ab`);
  });

  it("are below the host that was asked where the mode is public and only the bucket's base is set", async () => {
    await urlIn({ URL_MODE: 'public', PUBLIC_BASE_URL: 'https://cdn.example' });
    const info = await request(service?.url ?? '')
      .get('/v1/avatars/Me/info')
      .expect(200);
    const { urls } = info.body as { urls: Record<string, string> };
    expect((await fetch(urls['32'] ?? '')).status).toBe(200);
  });

  it('never enlarge: a size above the master gives its own, one that is not offered nothing', async () => {
    const { version } = await urlIn({});
    const address = service?.url ?? '';
    const { urls } = (await request(address).get('/v1/avatars/Me/info')).body as { urls: object };
    expect(Object.keys(urls)).toEqual(['16', '32', '48', '64', '96', '128', '192', 'master']);
    for (const path of [`~4de/${version}/1024.jpeg`, 'Me?size=1024']) {
      const answer = await fetch(`${address}/v1/avatars/${path}`);
      const picture = sharp(Buffer.from(await answer.arrayBuffer()));
      expect(await picture.metadata()).toMatchObject({ format: 'jpeg', width: 200, height: 200 });
    }
    await request(address)
      .get(`/v1/avatars/~4de/${version}/200.jpeg`)
      .expect(404, /rendition_not_found/);
  });

  it('does not give a URL of an avatar without a picture', async () => {
    await urlIn({});
    await request(service?.url ?? '')
      .get('/v1/avatars/nobody/url')
      .expect(404, /avatar_not_found/);
  });

  if (backend.name === 'local') {
    it.each(['public', 'presigned'])(
      'are the service’s own in the mode %s too: a disk has none',
      async (mode) => {
        const { url, expiresAt } = await urlIn({ URL_MODE: mode });
        expect(expiresAt).toBeNull();
        await expectPicture(url);
      },
    );
  }

  if (backend.name === 's3' && testS3) {
    const s3 = testS3;
    // The same server under another name, as browsers outside of a cluster know it.
    const publicEndpoint = s3.endpoint.replace('127.0.0.1', 'localhost');

    it('are presigned for the public endpoint, and end', async () => {
      const started = Date.now();
      const found = await urlIn({
        URL_MODE: 'presigned',
        URL_EXPIRES_IN: '600',
        STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint,
      });
      expect(found.url).toMatch(new RegExp(`^${publicEndpoint}/.*X-Amz-Expires=600`));
      const lifetime = Date.parse(found.expiresAt ?? '') - started;
      expect(lifetime).toBeGreaterThan(590_000);
      expect(lifetime).toBeLessThan(660_000);
      await expectPicture(found.url);
      expect((await fetch(found.url.replace(/X-Amz-Signature=./, 'X-Amz-Signature=g'))).status).toBe(403);
    });

    it("are the bucket's own where it is public, and manifests are not", async () => {
      const environment = await backend.environment();
      const bucket = environment['STORAGE_S3_BUCKET'] ?? '';
      const allowed = { Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'] };
      const statement = { ...allowed, Resource: [`arn:aws:s3:::${bucket}/avatars/*`] };
      const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
      await s3Client(s3).send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }));
      const { url, version } = await urlIn(
        { URL_MODE: 'public', STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint },
        environment,
      );
      expect(url).toBe(`${publicEndpoint}/${bucket}/avatars/~4de/${version}/64.webp`);
      await expectPicture(url);
      expect((await fetch(`${publicEndpoint}/${bucket}/manifests/~4de.json`)).status).toBe(403);
    });
  }
});
