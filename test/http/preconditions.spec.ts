import sharp from 'sharp';
import request from 'supertest';
import { backends } from '../support/backends.js';
import { type RunningService, startService } from '../support/service.js';

describe.each(backends)('preconditions and history on $name', (backend) => {
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    service = await startService({ ...(await backend.environment()), AVATAR_HISTORY: '2' });
  });
  afterAll(() => service.stop());

  const upload = async (path: string, headers: Record<string, string> = {}) => {
    const color = { r: ++count, g: 90, b: 90 };
    const picture = sharp({ create: { width: 64, height: 64, channels: 3, background: color } });
    return request(service.url)
      .put(path)
      .set(headers)
      .send(await picture.png().toBuffer());
  };
  const versionOf = (answer: request.Response) => (answer.body as { version: string }).version;

  it('only creates with If-None-Match: *', async () => {
    const path = '/v1/avatars/create';
    expect((await upload(path, { 'If-None-Match': '*' })).status).toBe(201);
    expect((await upload(path, { 'If-None-Match': '*' })).status).toBe(412);
    await request(service.url).delete(path).expect(204);
    expect((await upload(path, { 'If-None-Match': '*' })).status).toBe(201);
    expect((await upload(path, { 'If-None-Match': '"x"' })).status).toBe(400);
  });

  it('replaces and deletes only the current version with If-Match', async () => {
    const path = '/v1/avatars/match';
    expect((await upload(path, { 'If-Match': '*' })).status).toBe(412);
    const version = versionOf(await upload(path));
    for (const tag of ['"*"', `W/"${version}"`, '"other"', `W/"${version}", "other"`]) {
      expect((await upload(path, { 'If-Match': tag })).status).toBe(412);
      await request(service.url).delete(path).set('If-Match', tag).expect(412);
    }
    expect((await upload(path, { 'If-Match': version })).status).toBe(400);
    const { headers } = await request(service.url).get(`${path}?size=16`).expect(200);
    const etag = (headers as Record<string, string>)['etag'] ?? '';
    const next = versionOf(await upload(path, { 'If-Match': `"other", ${etag}` }));
    await request(service.url).delete(path).set('If-Match', `"${version}"`).expect(412);
    await request(service.url).delete(path).set('If-Match', `"${next}"`).expect(204);
  });

  it('keeps its URLs valid after their version has left the history', async () => {
    const path = '/v1/avatars/history';
    const { urls } = (await upload(path)).body as { urls: Record<string, string> };
    for (let i = 0; i < 3; i++) expect((await upload(path)).status).toBe(201);
    for (const url of Object.values(urls)) expect((await fetch(url)).status).toBe(200);
  });

  it('builds no URL from a Host that is malformed', async () => {
    const path = '/v1/avatars/host';
    expect((await upload(path)).status).toBe(201);
    for (const host of ['evil.example/x', 'user:pw@evil.example', 'a b', 'x"><']) {
      await request(service.url)
        .get(`${path}/url`)
        .set('Host', host)
        .expect(400, /invalid_host/);
      expect((await upload(path, { Host: host })).status).toBe(400);
    }
    for (const host of ['avatars.example', 'localhost:3000', '[::1]:80']) {
      const answer = await request(service.url).get(`${path}/url`).set('Host', host).expect(200);
      expect((answer.body as { url: string }).url).toContain(`http://${host}/v1/avatars/host/`);
    }
  });

  it('lets pages of other origins read whatever anybody may read', async () => {
    for (const path of ['/v1/avatars/host', '/v1/avatars/host/info', '/v1/avatars/nobody']) {
      await request(service.url).get(path).expect('Access-Control-Allow-Origin', '*');
    }
  });
});
