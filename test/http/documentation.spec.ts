import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { ERROR_CODES } from '../../src/errors.js';
import { statusOfCode } from '../../src/http/problem.js';
import { isId } from '../../src/model/keys.js';
import { local } from '../support/local.js';
import { Harness } from './support/harness.js';
import { type OpenApi, type Operation, parseOpenApi } from './support/openapi.js';

describe('docs/api.md', () => {
  const text = readFileSync('docs/api.md', 'utf8');
  const rows = [...text.matchAll(/^\| `([a-z_]+)` +\| (\d{3}[\d, ]*?) +\|/gm)];

  it('lists every error code and no other, in order', () => {
    expect(rows.map(([, code]) => code)).toEqual([...ERROR_CODES].sort());
  });

  it('gives their statuses', () => {
    for (const [, code, statuses] of rows) {
      const known = ERROR_CODES.find((one) => one === code);
      expect([code, statuses?.split(', ')[0]]).toEqual([code, String(known && statusOfCode(known))]);
    }
  });

  it('shows how to make an id that nobody can guess, in lines that run as printed', () => {
    const [, program = ''] = /```js\n(import \{ createHmac \}[^]*?)```/.exec(text) ?? [];
    const run = (AVATAR_ID_SECRET: string) =>
      execFileSync(process.execPath, ['--input-type=module', '-e', program], {
        env: { AVATAR_ID_SECRET },
        encoding: 'utf8',
      }).trim();
    const id = run('one secret');
    expect([isId(id), run('one secret'), run('another') === id]).toEqual([true, id, false]);
  });
});

describe('OpenAPI', () => {
  let api: OpenApi;
  let text: string;

  beforeAll(async () => {
    const harness = await Harness.start(await local.environment());
    text = (await harness.send({ path: '/docs-json' })).body.toString();
    api = parseOpenApi(text);
    await harness.stop();
  });

  const responsesOf = (path: string, method: string): Operation['responses'] =>
    api.paths[path]?.[method]?.responses ?? {};

  it('is short enough to read', () => {
    expect(Buffer.byteLength(text)).toBeLessThan(90_000);
  });

  it('names each operation by what it does, for the methods of generated clients', () => {
    const ids = Object.values(api.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    const verbs = 'check|delete|get|has|issue|list|lookUp|make|remove|restore|set|upload';
    expect(ids.filter((id) => !new RegExp(`^(?:${verbs})[A-Z][A-Za-z]+$`).test(id))).toEqual([]);
  });

  it('repeats no answer, and has no component that nothing refers to', () => {
    const components = (JSON.parse(text) as { components: Record<string, object> }).components;
    const names = ['headers', 'parameters', 'responses', 'schemas'].flatMap((kind) =>
      Object.keys(components[kind] ?? {}).map((name) => `"#/components/${kind}/${name}"`),
    );
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
    const inline = Object.values((JSON.parse(text) as OpenApi).paths)
      .flatMap((methods) => Object.values(methods).flatMap(({ responses }) => Object.values(responses)))
      .map((response) => JSON.stringify(response));
    expect(inline.filter((one) => one.includes('application/problem+json'))).toEqual([]);
  });

  it.each([
    ['put', '/v1/avatars/{id}', [200, 201, 400, 401, 408, 412, 413, 415, 422, 503, 507]],
    ['post', '/v1/avatars/{id}', [200, 201, 400, 401, 408, 412, 413, 415, 422, 503, 507]],
    ['delete', '/v1/avatars/{id}', [204, 400, 401, 412, 503, 507]],
    ['get', '/v1/avatars/{id}', [200, 304, 400, 404, 503]],
    ['get', '/v1/avatars/{id}/exists', [200, 400, 503]],
    ['get', '/v1/avatars/{id}/url', [200, 304, 400, 404, 412, 503]],
    ['get', '/v1/avatars/{id}/info', [200, 400, 404, 503]],
    ['get', '/v1/avatars/{id}/aliases', [200, 400, 401, 503]],
    ['put', '/v1/avatars/{id}/aliases', [200, 400, 401, 408, 409, 413, 503, 507]],
    ['put', '/v1/aliases', [200, 400, 401, 408, 413, 415, 503]],
    ['post', '/v1/avatars/lookup', [200, 304, 400, 401, 408, 412, 413, 503]],
    ['get', '/v1/sheets', [200, 206, 304, 400, 412, 416, 422, 503]],
    ['post', '/v1/sheets', [200, 304, 400, 401, 408, 413, 422, 503]],
    ['get', '/v1/avatars/{id}/{version}/{rendition}', [200, 304, 400, 404, 503]],
    ['get', '/avatar/{hash}', [200, 302, 304, 404, 503]],
    ['options', '/avatar', [200, 204]],
  ])('lists the answers of %s %s', (method, path, statuses) => {
    expect(Object.keys(responsesOf(path, method))).toEqual(expect.arrayContaining(statuses.map(String)));
  });

  it('describes the headers of answers', () => {
    const headersOf = (method: string, path: string, status: number) =>
      Object.keys(responsesOf(path, method)[status]?.headers ?? {}).sort();
    const upload = ['put', '/v1/avatars/{id}'] as const;
    const limits = ['RateLimit', 'RateLimit-Policy'];
    expect(headersOf(...upload, 201)).toEqual(['ETag', 'Location', ...limits]);
    expect(headersOf(...upload, 401)).toEqual(['WWW-Authenticate']);
    expect(headersOf(...upload, 429)).toEqual(['Retry-After']);
    expect(headersOf(...upload, 503)).toEqual(['Retry-After']);
    expect(headersOf('post', '/v1/avatars/lookup', 304)).toEqual(['ETag']);
    const picture = ['Accept-Ranges', 'Content-Disposition', 'ETag'];
    expect(headersOf('get', '/v1/avatars/{id}', 200)).toEqual(picture);
    expect(headersOf('get', '/v1/avatars/{id}', 206)).toEqual([...picture, 'Content-Range'].sort());
    expect(headersOf('get', '/v1/avatars/{id}', 304)).toEqual(['ETag']);
  });
});
