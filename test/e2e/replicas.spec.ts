import sharp from 'sharp';
import request from 'supertest';
import { readManifest } from '../../src/model/manifest-format.js';
import type { Manifest } from '../../src/model/manifest.js';
import { backends, openBackend } from '../support/backends.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';

const UPLOADS = 100;

describe.each(backends)('two processes on one $name storage', (backend) => {
  let environment: Environment;
  let services: RunningService[];

  beforeAll(async () => {
    environment = {
      ...(await backend.environment()),
      AVATAR_HISTORY: String(UPLOADS),
      CACHE_MAX_AGE_MS: '0',
    };
    services = await startServices([environment, environment]);
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
  });

  const urlOf = (i: number) => services[i % services.length]?.url ?? '';
  const picture = (i: number) =>
    sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 2 * i, g: 255 - 2 * i, b: i } } })
      .png()
      .toBuffer();

  it('accounts for every one of 100 concurrent uploads of one avatar, one of them current', async () => {
    const pictures = await Promise.all(Array.from({ length: UPLOADS }, (_, i) => picture(i)));
    const answers = await Promise.all(
      pictures.map((bytes, i) => request(urlOf(i)).put('/v1/avatars/popular').send(bytes)),
    );
    expect(answers.map(({ status }) => status)).toEqual(pictures.map(() => 201));
    const versions = answers.map(versionIn);
    expect(new Set(versions).size).toBe(UPLOADS);

    const kept = await manifestOf('popular');
    expect(kept.versions.map(({ version }) => version).sort()).toEqual([...versions].sort());
    const newestFirst = kept.versions.map(({ uploadedAt, version }) => `${uploadedAt} ${version}`);
    expect(newestFirst).toEqual([...newestFirst].sort().reverse());
    expect(kept.current).toBe(kept.versions[0]?.version);
    for (const i of services.keys()) {
      const info = await request(urlOf(i)).get('/v1/avatars/popular/info').expect(200);
      expect(versionIn(info)).toBe(kept.current);
    }
    for (const { version } of kept.versions) {
      await request(urlOf(0)).get(`/v1/avatars/popular/${version}/master.jpeg`).expect(200);
    }
  });

  it('makes one version when the same bytes are sent many times at once', async () => {
    const bytes = await picture(1);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => request(urlOf(i)).put('/v1/avatars/same').send(bytes)),
    );
    expect(new Set(answers.map(versionIn)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
  });

  it('lets only one of two writers win when both expect the same version', async () => {
    const created = await request(urlOf(0))
      .put('/v1/avatars/cas')
      .send(await picture(0))
      .expect(201);
    const expected = `"${versionIn(created)}"`;
    const writers = [1, 2].map(async (i) =>
      request(urlOf(i))
        .put('/v1/avatars/cas')
        .set('If-Match', expected)
        .send(await picture(i)),
    );
    expect((await Promise.all(writers)).map(({ status }) => status).sort()).toEqual([201, 412]);
  });

  async function manifestOf(id: string): Promise<Manifest> {
    const object = await openBackend(environment).get(`manifests/${id}.json`);
    if (object === undefined || object === 'unchanged') throw new Error('there is no manifest');
    return readManifest(id, object.bytes);
  }
});

function versionIn(answer: request.Response): string {
  return (answer.body as { version: string }).version;
}
