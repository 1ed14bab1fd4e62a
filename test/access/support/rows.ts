import type { Outgoing } from '../../http/support/client.js';
import { picture } from '../../http/support/pictures.js';

/** The avatar that all calls are about. */
export const ID = 'shop-alice';
export const PATH = `/v1/avatars/${ID}`;

/** What a route asks for, and how it is called. */
export interface Row {
  needs: 'public' | 'read' | 'write' | 'admin';
  /** What the same path needs without the query. */
  atLeast?: 'write';
  /** What a ticket has to be for, if one does. */
  ticket?: 'upload' | 'remove' | 'restore';
  /** Whether a token of the avatar's own user does, where no ticket does. */
  own?: true;
  /** Its statuses once it has passed. */
  passes: readonly number[];
  /** A request of the route, for an avatar that has a version. */
  request: (version: string) => Omit<Outgoing, 'method'>;
  /** Whether it is about avatars in its body, and refuses those that a key is not for one by one. */
  byEntry?: true;
}

const open = (path: string, ...passes: number[]): Row => ({
  needs: 'public',
  passes,
  request: () => ({ path }),
});
const at = (suffix: string, body?: object) => () => ({
  path: `${PATH}${suffix}`,
  ...(body && { body: JSON.stringify(body) }),
});
const image = await picture('png');
const upload = () => ({ path: PATH, body: image });

/** Every route of the service, and DELETE twice: what it does depends on the query. */
export const ROWS: Record<string, Row> = {
  'GET /': open('/', 302),
  'GET /docs': open('/docs', 200),
  'GET /docs/': open('/docs/', 200),
  'GET /docs/index.html': open('/docs/index.html', 200),
  'GET /docs/LICENSE': open('/docs/LICENSE', 404),
  'GET /docs/swagger-ui-init.js': open('/docs/swagger-ui-init.js', 200),
  'GET /docs/docs/swagger-ui-init.js': open('/docs/docs/swagger-ui-init.js', 200),
  'GET /docs-json': open('/docs-json', 200),
  'GET /health/live': open('/health/live', 200),
  'GET /health/ready': open('/health/ready', 200),
  'GET /ui': open('/ui', 302),
  'GET /ui/': open('/ui/', 200),
  'GET /ui/edit': open('/ui/edit', 200),
  'GET /ui/:file': open('/ui/visage.js', 200),
  'GET /metrics': open('/metrics', 200),
  'GET /avatar': open('/avatar', 400),
  'GET /avatar/': open('/avatar/', 200),
  'GET /avatar/:hash': open(`/avatar/${'a'.repeat(32)}`, 200),
  'OPTIONS /avatar': open('/avatar', 200),
  'OPTIONS /avatar/': open('/avatar/', 200),
  'OPTIONS /avatar/:hash': open(`/avatar/${'a'.repeat(32)}`, 200),
  'GET /v1/avatars/:id': open(PATH, 200),
  'GET /v1/avatars/:id/exists': open(`${PATH}/exists`, 200),
  'GET /v1/avatars/:id/url': open(`${PATH}/url`, 200),
  'GET /v1/avatars/:id/info': open(`${PATH}/info`, 200),
  'GET /v1/avatars/:id/:version/:rendition': {
    needs: 'public',
    passes: [200],
    request: (version) => ({ path: `${PATH}/${version}/32.webp` }),
  },
  'GET /v1/sheets': open(`/v1/sheets?ids=${ID}`, 200),
  'POST /v1/sheets': {
    needs: 'read',
    passes: [200],
    request: () => ({ path: '/v1/sheets', body: JSON.stringify({ ids: [ID] }) }),
  },
  'POST /v1/avatars/lookup': {
    needs: 'read',
    passes: [200],
    byEntry: true,
    request: () => ({ path: '/v1/avatars/lookup', body: JSON.stringify({ ids: [ID] }) }),
  },
  'GET /v1/avatars/:id/versions': {
    needs: 'read',
    ticket: 'restore',
    passes: [200],
    request: at('/versions'),
  },
  'GET /v1/avatars/:id/aliases': { needs: 'read', passes: [200], request: at('/aliases') },
  'PUT /v1/avatars/:id/aliases': {
    needs: 'write',
    passes: [200],
    request: at('/aliases', { emails: ['alice@example.org'] }),
  },
  'PUT /v1/aliases': {
    needs: 'write',
    passes: [200],
    byEntry: true,
    request: () => ({
      path: '/v1/aliases',
      body: JSON.stringify({ avatars: [{ id: ID, emails: ['alice@example.org'] }] }),
    }),
  },
  'PUT /v1/avatars/:id': { needs: 'write', ticket: 'upload', passes: [200, 201], request: upload },
  'POST /v1/avatars/:id': { needs: 'write', ticket: 'upload', passes: [200, 201], request: upload },
  'POST /v1/avatars/:id/tickets': { needs: 'write', passes: [201], request: at('/tickets', {}) },
  'PUT /v1/avatars/:id/current': {
    needs: 'write',
    ticket: 'restore',
    passes: [200],
    request: (version) => at('/current', { version })(),
  },
  'PUT /v1/avatars/:id/alt': {
    needs: 'write',
    own: true,
    passes: [200],
    request: at('/alt', { alt: 'me' }),
  },
  'DELETE /v1/avatars/:id': { needs: 'write', ticket: 'remove', passes: [204], request: at('') },
  'PUT /v1/avatars/:id/lock': { needs: 'admin', passes: [200], request: at('/lock', { locked: false }) },
  'DELETE /v1/avatars/:id/versions/:version': {
    needs: 'admin',
    passes: [200],
    request: (version) => at(`/versions/${version}`)(),
  },
  'DELETE /v1/avatars/:id?erase=true': {
    needs: 'admin',
    atLeast: 'write',
    ticket: 'remove',
    passes: [200],
    request: at('?erase=true'),
  },
};
