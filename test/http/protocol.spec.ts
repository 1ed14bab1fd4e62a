import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { local } from '../support/local.js';
import { type Answer, FORM, form, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, chunk, head, put } from './support/raw.js';
import { linesWith } from '../support/log-lines.js';

const CHUNKED = { 'Transfer-Encoding': 'chunked' };

describe('HTTP/1.1', () => {
  let harness: Harness;
  let png: Buffer;
  const there = '/v1/avatars/there';

  beforeAll(async () => {
    // Otherwise the log has one line for refusals with the same code.
    const settings = { AVATAR_MAX_SIZE_BYTES: '100000', LOG_LEVEL: 'debug' };
    harness = await Harness.start({ ...(await local.environment()), ...settings });
    png = await picture('png');
    expect((await harness.put(there, { body: png })).status).toBe(201);
  });
  afterAll(() => harness.stop());

  const open = () => RawConnection.open(harness.service.url);
  const logged = (requestId: string) => harness.service.logged(new RegExp(`"reqId":"${requestId}".*\\n`));
  const idOf = ({ headers }: Answer) => String(headers['x-request-id']);

  it('reuses a connection after an error if the body was read in full', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await open();
      const bad = Buffer.from('no picture');
      for (let n = 0; n < 5; n++) {
        connection.send(head('PUT', path, { 'Content-Length': bad.length })).send(bad);
        expect(problemOf(await connection.answer()).code).toBe('unsupported_image');
        connection.send(head('GET', path));
        expect(problemOf(await connection.answer()).code).toBe('avatar_not_found');
      }
      connection.close();
    });
  });

  it('answers pipelined requests in order, errors among them', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await open();
      const requests = [
        head('GET', there),
        head('PUT', path, { 'Content-Length': 3 }) + 'bad',
        head('GET', `${path}/exists`),
        head('GET', '/nowhere'),
        head('GET', `${there}/exists`),
      ];
      connection.send(requests.join(''));
      const answers = [];
      while (answers.length < requests.length) answers.push(await connection.answer());
      expect(answers.map(({ status }) => status)).toEqual([200, 415, 200, 404, 200]);
      connection.close();
    });
  });

  it('does not parse the rest of a body that it refused to read as a request', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await open();
      connection.send(head('PUT', path, { 'Content-Length': 999_999 }) + head('DELETE', there));
      const answer = await connection.answer();
      expect(problemOf(answer).code).toBe('upload_too_large');
      expect(answer.headers.connection).toBe('close');
      expect(await connection.closes()).toBe(true);
      expect(connection.text()).toBe('');
      expect((await harness.send({ path: there })).status).toBe(200);
    });
  });

  it('asks for the body of a client that expects 100-continue', async () => {
    const connection = await open();
    const path = '/v1/avatars/expected';
    connection.send(head('PUT', path, { Expect: '100-continue', 'Content-Length': png.length }));
    expect((await connection.answer()).status).toBe(100);
    connection.send(png);
    expect((await connection.answer()).status).toBe(201);
    connection.close();
  });

  it('carries out the requests of one connection in order', async () => {
    const path = '/v1/avatars/pipelined';
    const upload = put(path, png);
    const changes = [upload, head('DELETE', path), upload, head('DELETE', `${path}?erase=true`), upload];
    const connection = await open();
    connection.send(
      Buffer.concat([...changes, head('GET', `${path}/exists`)].map((part) => Buffer.from(part))),
    );
    for (const status of [201, 204, 201, 200, 201]) expect((await connection.answer()).status).toBe(status);
    expect((await connection.answer()).body.toString()).toBe('{"exists":true}');
    connection.close();
  });

  it('sees the last of a thousand headers', async () => {
    const filler = Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`a${i}`, '1']));
    const connection = await open();
    connection.send(head('DELETE', there, { ...filler, 'If-Match': '"none"' }));
    expect(problemOf(await connection.answer()).code).toBe('precondition_failed');
    connection.close();
  });

  it.each([
    ['GET', `${there}/exists`, 200],
    ['HEAD', `${there}/exists`, 200],
    ['DELETE', '/v1/avatars/absent', 204],
    ['POST', '/nowhere', 404],
    ['PUT', '/v1/avatars/%zz', 400],
  ])('gives one answer to a %s of %s whose body does not arrive', async (method, path, status) => {
    const connection = await open();
    connection.send(head(method, path, { 'Content-Length': 100 }));
    const answer = await connection.answer({ withBody: method !== 'HEAD' });
    expect([answer.status, answer.headers.connection]).toEqual([status, 'close']);
    expect(await connection.closes()).toBe(true);
    expect(connection.text()).toBe('');
  });

  it('answers HEAD like GET, without a body', async () => {
    for (const [path, status] of [
      [there, 200],
      ['/v1/avatars/absent', 404],
      ['/v1/avatars/.', 400],
    ] as const) {
      const connection = await open();
      connection.send(head('HEAD', path));
      const answer = await connection.answer({ withBody: false });
      expect(answer.status).toBe(status);
      expect(Number(answer.headers['content-length'])).toBeGreaterThan(0);
      expect(connection.text()).toBe('');
      connection.close();
    }
  });

  it.each(['PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'MKCOL', 'LOCK', 'QUERY'])(
    'refuses the method %s and lists those that a path takes',
    async (method) => {
      await harness.leavesNothing(async (path) => {
        const bodies = method === 'TRACE' ? [''] : ['', png];
        for (const body of bodies) {
          const answer = await harness.send({ method, path, body });
          expect(problemOf(answer)).toEqual({ status: 405, code: 'method_not_allowed' });
          expect(answer.headers.allow).toBe('DELETE, GET, HEAD, POST, PUT');
        }
        const answer = await harness.send({ method, path: `${there}/info?x=1` });
        expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
        expect(problemOf(await harness.send({ method, path: '/nowhere' })).code).toBe('route_not_found');
        const asset = await harness.send({ method, path: '/docs/swagger-ui.css' });
        expect([asset.status, asset.headers.allow]).toEqual([405, 'GET, HEAD']);
        const call = await harness.send({ method, path: '/v1/avatars/lookup' });
        expect([call.status, call.headers.allow]).toEqual([405, 'POST']);
      });
    },
  );

  it('answers a CONNECT, though it is no proxy', async () => {
    const connection = await open();
    connection.send(head('CONNECT', 'example.org:443'));
    const answer = await connection.answer();
    expect([problemOf(answer), answer.headers.allow]).toEqual([
      { status: 405, code: 'method_not_allowed' },
      '',
    ]);
    expect(await connection.closes()).toBe(true);
  });

  it('answers a CONNECT after the requests before it', async () => {
    const connection = await open();
    connection.send(head('GET', `${there}/info`) + head('GET', there) + head('CONNECT', 'example.org:443'));
    for (const status of [200, 200, 405]) expect((await connection.answer()).status).toBe(status);
    expect(await connection.closes()).toBe(true);
  });

  it('survives a client that resets its connection after a CONNECT', async () => {
    for (const more of ['', 'x'.repeat(100_000)]) {
      for (const waitMs of [0, 0, 5]) {
        const connection = await RawConnection.open(harness.service.url);
        connection.send(head('CONNECT', 'example.org:443') + more);
        await sleep(waitMs);
        connection.reset();
      }
    }
    expect((await harness.send({ path: '/health/live' })).status).toBe(200);
  });

  it('lets nobody keep the description of the API, which a release may change', async () => {
    for (const path of ['/', '/docs', '/docs-json']) {
      const { status, headers } = await harness.send({ path });
      expect([path, status < 400, headers['cache-control']]).toEqual([path, true, 'no-cache']);
    }
  });

  it.each(['PATCH', 'PUT', 'QUERY'])(
    'looks at the method %s before a Content-Type that is malformed',
    async (method) => {
      await harness.leavesNothing(async (path) => {
        const headers = { 'content-type': 'multipart/form-data boundary=x' };
        const refusal = async (to: string) =>
          problemOf(await harness.send({ method, path: to, headers, body: png }));
        expect(await refusal('/nowhere')).toEqual({ status: 404, code: 'route_not_found' });
        expect((await refusal(`${path}/info`)).code).toBe('method_not_allowed');
        const known = method === 'PUT' ? { status: 400, code: 'bad_request' } : undefined;
        expect(await refusal(path)).toEqual(known ?? { status: 405, code: 'method_not_allowed' });
      });
    },
  );

  it.each(['GET', 'HEAD'])('lets pages of other origins %s whatever anybody may read', async (method) => {
    for (const path of [there, '/v1/avatars/absent', `${there}/exists`]) {
      const { headers } = await harness.send({ method, path });
      expect(headers['access-control-allow-origin']).toBe('*');
    }
  });

  it('answers HTTP/1.0 without a Host, with URLs at the address the client connected to', async () => {
    const connection = await open();
    connection.send(`GET ${there}/url HTTP/1.0\r\n\r\n`);
    const answer = await connection.answer();
    expect(answer.status).toBe(200);
    const { url } = JSON.parse(answer.body.toString()) as { url: string };
    expect((await fetch(url)).status).toBe(200);
  });

  it.each([
    ['no Host', ''],
    ['two Hosts', 'Host: a.example\r\nHost: b.example\r\n'],
    ['the same Host twice', 'Host: a.example\r\nhost: a.example\r\n'],
    ['an empty Host', 'Host: \r\n'],
    ['a Host that is none', 'Host: a/b\r\n'],
    ['a port that is none', 'Host: a:65536\r\n'],
  ])('refuses %s', async (_, lines) => {
    const connection = await open();
    connection.send(`GET ${there} HTTP/1.1\r\n${lines}\r\n`);
    expect(problemOf(await connection.answer())).toEqual({ status: 400, code: 'invalid_host' });
    connection.close();
  });

  it('refuses an unknown expectation without waiting for the body', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await open();
      connection.send(head('PUT', path, { Expect: 'tea', 'Content-Length': png.length }));
      expect(problemOf(await connection.answer())).toEqual({ status: 417, code: 'bad_request' });
      expect(await connection.closes()).toBe(true);
    });
  });

  it.each([
    ['an unknown path', head('PUT', '/nowhere'), 404, 'route_not_found'],
    ['an unknown method', head('PATCH', there), 405, 'method_not_allowed'],
    ['a malformed URL', head('PUT', '/v1/avatars/%zz'), 400, 'bad_request'],
    ['a segment that is too long', head('DELETE', `/v1/avatars/${'a'.repeat(2000)}`), 414, 'bad_request'],
    ['two hosts', head('PUT', there, { 'Content-Length': 0, Host: 'other' }), 400, 'invalid_host'],
    ['an unknown expectation', head('PUT', there, { Expect: 'tea' }), 417, 'bad_request'],
    ['a request that is no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
  ])('logs one line with the code for %s, and no stack', async (_, request, status, code) => {
    const connection = await open();
    connection.send(request);
    const answer = await connection.answer();
    expect(problemOf(answer)).toEqual({ status, code });
    const id = idOf(answer);
    await logged(id);
    const lines = linesWith(harness.service, `"reqId":"${id}"`);
    expect(lines).toEqual([expect.objectContaining({ status, code })]);
    expect(lines[0]).not.toHaveProperty('err');
    connection.close();
  });

  it.each([
    ['a parameter', `/v1/avatars/${'a'.repeat(8000)}`, 414],
    ['a malformed escape', `/v1/avatars/%zz${'a'.repeat(8000)}`, 400],
    ['a path', `/${'a'.repeat(8000)}`, 404],
  ])('neither answers nor logs a giant URL: %s', async (_, path, status) => {
    // The log is in order: the lines before this answer's line have arrived, too.
    const allLogged = async () => logged(idOf(await harness.put('/nowhere', {})));
    await allLogged();
    const before = harness.service.log().length;
    for (const method of ['GET', 'PUT']) {
      const answer = await harness.send({ method, path });
      expect(problemOf(answer).status).toBe(status);
      expect(answer.body.length).toBeLessThan(600);
    }
    await allLogged();
    expect(harness.service.log().length - before).toBeLessThan(2000);
  });

  it.each(['GET', 'DELETE', 'PATCH'])('accepts a %s with a body', async (method) => {
    await harness.leavesNothing(async (path) => {
      const length = { 'content-length': png.length };
      const { status } = await harness.send({ method, path, body: png, headers: length });
      expect(status).toBe({ GET: 404, DELETE: 204 }[method] ?? 405);
    });
  });

  it.each([
    ['bare', {}],
    ['as a form', FORM],
  ])('refuses compressed bodies and says so: %s', async (_, headers) => {
    const body = gzipSync(headers === FORM ? form({ filename: 'a.png', content: 'x'.repeat(9999) }) : png);
    const problem = await harness.refusal({ headers: { ...headers, 'content-encoding': 'gzip' }, body });
    expect(problem).toEqual({
      status: 415,
      code: 'unsupported_encoding',
      parameter: 'Content-Encoding',
    });
    const plain = await harness.put('/v1/avatars/plain', {
      headers: { 'content-encoding': 'identity' },
      body: png,
    });
    expect([200, 201]).toContain(plain.status);
  });

  it('uses the first of two Content-Types', async () => {
    const body = form({ filename: 'a.png', content: png });
    const length = { 'Content-Length': body.length };
    const types = [FORM['content-type'], 'image/png'];
    for (const [order, status] of [
      [types, 201],
      [types.toReversed(), 415],
    ] as const) {
      const connection = await open();
      const lines = order.map((type) => `Content-Type: ${type}\r\n`).join('');
      const request = head('PUT', `/v1/avatars/types-${status}`, length);
      connection.send(request.replace(/\r\n$/, `${lines}\r\n`)).send(body);
      expect((await connection.answer()).status).toBe(status);
      connection.close();
    }
  });

  it.each([
    ['shorter than its Content-Length', head('PUT', '/v1/avatars/cut', { 'Content-Length': 99 }), 'x'],
    ['chunked without a last chunk', head('PUT', '/v1/avatars/cut', CHUNKED), chunk(Buffer.from('x'))],
    ['a form', head('PUT', '/v1/avatars/cut', { ...FORM, ...CHUNKED }), chunk(Buffer.from('--'))],
  ])('does not wait for the rest of a body that the client ended early: %s', async (_, request, body) => {
    await harness.leavesNothing(async () => {
      const connection = await open();
      connection.send(request).send(body);
      connection.socket.end();
      expect(await connection.closes()).toBe(true);
      expect(problemOf(await connection.answer())).toEqual({ status: 400, code: 'truncated_body' });
    });
  });

  // Node's parser refuses these before there is a request.
  it.each([
    ['malformed chunk sizes', head('PUT', '/v1/avatars/x', CHUNKED) + 'zz\r\nxx\r\n', /^HTTP\/1\.1 400 /],
    [
      'two different lengths',
      head('PUT', '/v1/avatars/x', { 'Content-Length': '3\r\nContent-Length: 4' }),
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a length and chunks',
      head('PUT', '/v1/avatars/x', { 'Content-Length': 3, ...CHUNKED }),
      /^HTTP\/1\.1 400 /,
    ],
    ['a malformed length', head('PUT', '/v1/avatars/x', { 'Content-Length': '-1' }), /^HTTP\/1\.1 400 /],
    ['headers without end', head('PUT', '/v1/avatars/x', { Long: 'x'.repeat(20_000) }), /^HTTP\/1\.1 431 /],
    ['a request that is no HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a header with a NUL', head('GET', '/v1/avatars/x', { Nul: 'a\0b' }), /^HTTP\/1\.1 400 /],
  ])('closes the connection on %s', async (_, request, answer) => {
    await harness.leavesNothing(async () => {
      const connection = await open();
      connection.send(request);
      expect(await connection.closes()).toBe(true);
      expect(connection.text()).toMatch(answer);
      expect(connection.text()).toMatch(/application\/problem\+json[^]*"code":"bad_request"/);
      await logged(/"requestId":"([^"]+)"/.exec(connection.text())?.[1] ?? '');
    });
  });
});
