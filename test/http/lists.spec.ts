import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import { AvatarClient, type VersionJson, expectStatus, jsonOf, lookup } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { type RunningService, startService } from '../support/service.js';
import { noise } from './support/pictures.js';

const SIZES = new Settings().avatarSizes;

describe('the URLs of answers', () => {
  let service: RunningService;

  beforeAll(async () => {
    service = await startService(await local.environment());
  });
  afterAll(() => service.stop());

  /** The width of the picture under a URL. */
  const widthAt = async (url = '') => {
    const answer = await fetch(url);
    if (answer.status !== 200) throw new Error(`${answer.status}: ${url}`);
    return (await sharp(Buffer.from(await answer.arrayBuffer())).metadata()).width;
  };

  it.each([48, 600])(
    'are one for each of AVATAR_SIZES and the master, of a picture of %d px',
    async (edge) => {
      const id = `wide-${edge}`;
      const client = new AvatarClient(service.url, id);
      const upload = await client.upload(await noise(edge, edge).jpeg().toBuffer());
      const { urls } = jsonOf(expectStatus(201, upload)) as VersionJson;
      expect(Object.keys(urls)).toEqual([...SIZES.map(String), 'master']);
      for (const size of SIZES) {
        const url = urls[size];
        if (size >= edge) expect([size, url]).toEqual([size, urls['master']]);
        else expect([size, await widthAt(url)]).toEqual([size, size]);
      }
      expect(await widthAt(urls['master'])).toBe(edge);
      expect(jsonOf(await client.get('/info'))).toMatchObject({ urls });
      expect(jsonOf(await client.get('/versions'))).toMatchObject({ versions: [{ urls }] });
      expect((await lookup(service.url, { ids: [id] })).avatars[id]?.urls).toEqual(urls);
    },
  );
});
