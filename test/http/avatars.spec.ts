import sharp from 'sharp';
import request from 'supertest';
import { backends } from '../support/backends.js';
import { type RunningService, startService } from '../support/service.js';
import { noise } from './support/pictures.js';

describe.each(backends)('avatars over HTTP on $name', (backend) => {
  let service: RunningService;
  let photo: Buffer;
  const path = '/v1/avatars/Alice.1';

  beforeAll(async () => {
    service = await startService(await backend.environment());
    photo = await noise(400, 300)
      .withExif({ IFD0: { Copyright: 'somebody' } })
      .jpeg()
      .toBuffer();
  });
  afterAll(async () => {
    expect(await service.stop()).toBe(0);
  });

  const bytesOf = async (target: string) => {
    const answer = await request(service.url).get(target).buffer(true).expect(200);
    return answer.body as Buffer;
  };

  it('upload, read, check, link, describe and delete', async () => {
    const created = await request(service.url).put(path).attach('file', photo, 'me.jpg').expect(201);
    const { version } = created.body as { version: string };
    const again = await request(service.url).post(path).send(photo).expect(200);
    expect(again.body).toMatchObject({ version, width: 300, height: 300 });

    const picture = await bytesOf(path);
    const { width, height, exif, icc, orientation } = await sharp(picture).metadata();
    expect({ width, height, exif, icc, orientation }).toEqual({ width: 300, height: 300 });

    await request(service.url).get(`${path}/exists`).expect(200, { exists: true });
    const found = await request(service.url).get(`${path}/url`).expect(200);
    expect(await bytesOf(new URL((found.body as { url: string }).url).pathname)).toEqual(picture);
    await request(service.url)
      .get(`${path}/info`)
      .expect(200)
      .expect(/thumbhash/);
    const small = await sharp(await bytesOf(`${path}?size=50&format=webp`)).metadata();
    expect(small).toMatchObject({ width: 64, height: 64, format: 'webp' });

    await request(service.url).put(path).set('If-Match', '"other"').send(photo).expect(412);
    await request(service.url).delete(path).set('If-Match', `"${version}"`).expect(204);
    await request(service.url).delete(path).expect(204);
    await request(service.url)
      .get(path)
      .expect(404, /avatar_not_found/);
    await request(service.url).get(`${path}/exists`).expect(200, { exists: false });
  });

  it('answer 304 to a client that has the picture', async () => {
    const target = '/v1/avatars/cached';
    await request(service.url).put(target).send(photo).expect(201);
    const answer = await request(service.url).get(target).expect(200);
    const headers = answer.headers as Record<string, string>;
    await request(service.url)
      .get(target)
      .set('If-None-Match', headers['etag'] ?? '')
      .expect(304);
  });

  it.each([
    ['unsupported_image', 415, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['unreadable_image', 422, Buffer.from([0xff, 0xd8, 0xff, 0, 0, 0])],
    ['empty_file', 400, Buffer.alloc(0)],
    ['upload_too_large', 413, Buffer.alloc(5 * 1024 * 1024 + 1)],
  ])('refuse with %s and keep nothing', async (code, status, bytes) => {
    const answer = await request(service.url).put('/v1/avatars/bad').attach('file', bytes, 'me.png');
    expect([answer.status, (answer.body as { code: string }).code]).toEqual([status, code]);
    await request(service.url).get('/v1/avatars/bad/exists').expect(200, { exists: false });
    expect(await service.spooled()).toEqual([]);
  });

  it('say what is wrong with a form and with an id', async () => {
    const put = () => request(service.url).put('/v1/avatars/bad');
    await put()
      .attach('other', photo, 'a.jpg')
      .expect(400, /unexpected_field/);
    await put()
      .attach('file', photo, 'a.jpg')
      .attach('file', photo, 'b.jpg')
      .expect(400, /too_many_files/);
    await put()
      .field('crop', '0,0,1,1')
      .expect(400, /no_file/);
    await put()
      .query({ crop: '0,0,999,999' })
      .attach('file', photo, 'a.jpg')
      .expect(400, /invalid_crop/);
    await request(service.url)
      .put('/v1/avatars/%2e%2e%2fx')
      .send(photo)
      .expect(400, /invalid_id/);
    await request(service.url)
      .get('/v1/avatars/bad?size=5')
      .expect(400, /invalid_size/);
  });
});
