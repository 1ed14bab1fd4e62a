import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { type Answer, send } from '../http/support/client.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, startServices } from '../support/service.js';

const HINT = 'Sec-CH-Prefers-Color-Scheme';
const DARK = ['dark', '"dark"', '"dark";a=1', 'dark ;b'].map((hint) => ({ [HINT]: hint }));
const LIGHT = [
  {},
  { [HINT]: 'light' },
  { [HINT]: '"light"' },
  { [HINT]: 'DARK' },
  { [HINT]: 'darker' },
  { [HINT]: 'light;a=dark' },
];
const ROUTES = [['/v1/avatars/nobody?size=64&default='], [`/avatar/${'0'.repeat(32)}?s=64&d=`]] as const;

describe('a default on a page', () => {
  let services: RunningService[];
  beforeAll(async () => {
    const environment = await local.environment();
    services = await startServices(
      ['3600000', '0'].map((age) => ({ ...environment, CACHE_MAX_AGE_MS: age })),
    );
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const get = async (service: RunningService, path: string, headers: Record<string, string> = {}) =>
    expectStatus(200, await send(service.url, { path, headers }));
  const seen = ({ body, headers }: Answer) => [body.toString('base64'), headers.vary];

  describe.each(ROUTES)('at %s', (path) => {
    it.each(PLACEHOLDER_KINDS)('is as light or dark as the page: %s', async (kind) => {
      const url = `${path}${kind}`;
      for (const service of services) {
        const light = await get(service, `${url}&scheme=light`);
        const dark = await get(service, `${url}&scheme=dark`);
        expect(light.body.equals(dark.body)).toBe(kind === 'blank');
        const vary = kind === 'blank' ? 'Accept' : `Accept, ${HINT}`;
        // Twice: from the controllers, and from memory.
        for (let i = 0; i < 2; i++) {
          for (const headers of LIGHT) {
            expect(seen(await get(service, url, headers))).toEqual([light.body.toString('base64'), vary]);
          }
          for (const headers of DARK) {
            expect(seen(await get(service, url, headers))).toEqual([dark.body.toString('base64'), vary]);
            const { etag = '' } = dark.headers;
            const known = await send(service.url, {
              path: url,
              headers: { ...headers, 'if-none-match': etag },
            });
            expect([known.status, known.headers.vary]).toEqual([304, vary]);
          }
        }
      }
    });

    it('names no header that decides nothing', async () => {
      for (const service of services) {
        for (const [query, vary] of [
          ['retro&scheme=light', 'Accept'],
          ['initials&name=Ada&scheme=dark', 'Accept'],
          ['blank', 'Accept'],
        ] as const) {
          for (const headers of [{}, ...DARK]) {
            expect((await get(service, `${path}${query}`, headers)).headers.vary).toBe(vary);
          }
        }
      }
    });

    it('is the right one for each of many readers at the same time', async () => {
      for (const [i, service] of services.entries()) {
        const url = `${path}monsterid&at-once=${i}`;
        const [light, dark] = await Promise.all(
          ['light', 'dark'].map((scheme) => get(service, `${path}monsterid&scheme=${scheme}`)),
        );
        const readers = Array.from({ length: 40 }, (_, n) => (n % 3 === 0 ? DARK[n % 2] : LIGHT[n % 4]));
        const answers = await Promise.all(readers.map((headers) => get(service, url, headers)));
        const wrong = answers.filter(
          ({ body }, n) => !body.equals((n % 3 === 0 ? dark : light)?.body ?? Buffer.alloc(0)),
        );
        expect(wrong).toEqual([]);
      }
    });

    it('is answered from memory in both', async () => {
      const [hot] = services as [RunningService];
      const answers = async () => {
        const { body } = await send(hot.url, { path: '/metrics' });
        return total(readMetrics(body.toString()), 'visage_http_hot_answers_total');
      };
      const url = `${path}wavatar`;
      for (const headers of [{}, ...DARK]) await get(hot, url, headers);
      const before = await answers();
      for (const headers of [{}, ...DARK]) await get(hot, url, headers);
      expect((await answers()) - before).toBe(1 + DARK.length);
    });
  });

  it('takes a color as it is, and a fixed format is no matter of Accept', async () => {
    for (const service of services) {
      for (const headers of [{}, ...DARK]) {
        const chosen = await get(service, '/v1/avatars/nobody?default=color&color=123456', headers);
        expect(chosen.headers.vary).toBe('Accept');
        const fixed = await get(service, '/v1/avatars/nobody?default=color&format=png', headers);
        expect(fixed.headers.vary).toBe(HINT);
        const neither = await get(service, '/v1/avatars/nobody?default=blank&format=png', headers);
        expect(neither.headers.vary).toBeUndefined();
      }
    }
  });

  it('has no scheme that is none: 400, or for clients of Gravatar the page decides', async () => {
    const [service] = services as [RunningService];
    const refused = await send(service.url, { path: '/v1/avatars/nobody?default=mp&scheme=blue' });
    expect(refused.status).toBe(400);
    const [, [path]] = ROUTES;
    const dark = await get(service, `${path}mp&scheme=dark`);
    for (const headers of DARK) {
      expect((await get(service, `${path}mp&scheme=blue`, headers)).body).toEqual(dark.body);
      expect((await get(service, `${path}mp&scheme=light&scheme=dark`, headers)).body).toEqual(dark.body);
    }
  });

  it('makes no difference to a picture', async () => {
    const [service] = services as [RunningService];
    const client = new AvatarClient(service.url, 'somebody');
    expectStatus(201, await client.upload(await numbered(1)));
    const plain = await client.get('?default=retro');
    for (const headers of DARK) {
      const { body, headers: said } = await client.send({ suffix: '?default=retro', headers });
      expect([body, said.vary, said.etag]).toEqual([plain.body, plain.headers.vary, plain.headers.etag]);
      expect(said.vary).not.toContain(HINT);
    }
  });
});
