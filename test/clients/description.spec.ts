import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral, { type RulesetDefinition } from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { item } from '../support/api-keys.js';
import { numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { type RunningService, startService } from '../support/service.js';

const KEY = 'app';

/** What an application does with a client that was made from the description. */
const PROGRAM = `
import { readFileSync } from 'node:fs';
import createClient from 'openapi-fetch';
import type { paths } from './visage.js';

const [, , baseUrl = '', file = ''] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { authorization: 'Bearer ${KEY}' } });
const params = { path: { id: 'alice' } };

const uploaded = await client.PUT('/v1/avatars/{id}', {
  params,
  body: new Blob([readFileSync(file)]),
  bodySerializer: (body) => body as Blob,
  headers: { 'content-type': 'image/png' },
});
if (uploaded.error) throw new Error(uploaded.error.code);
const version: string = uploaded.data.version;

const form = await client.POST('/v1/avatars/{id}', {
  params: { ...params, query: { alt: 'Alice' }, header: { 'If-Match': \`"\${version}"\` } },
  body: { file: new Blob([readFileSync(file)]), crop: '0,0,16,16' },
  bodySerializer: (body) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(body)) data.set(name, value);
    return data;
  },
});
if (form.error) throw new Error(form.error.code);

const picture = await client.GET('/v1/avatars/{id}', {
  params: { ...params, query: { size: 32, format: 'png' } },
  parseAs: 'blob',
});
const bytes: number = picture.data?.size ?? 0;

const looked = await client.POST('/v1/avatars/lookup', { body: { ids: ['alice', 'bob', '/'], sizes: [32] } });
if (looked.error) throw new Error(looked.error.code);
const told = Object.values(looked.data.avatars).map((one) => ('error' in one ? one.error.code : one.alt));

const deleted = await client.DELETE('/v1/avatars/{id}', { params });
const gone = await client.GET('/v1/avatars/{id}/info', { params });
// @ts-expect-error There is no such query parameter.
void client.GET('/v1/avatars/{id}', { params: { ...params, query: { width: 32 } } }).catch(() => undefined);
console.log(JSON.stringify({ bytes: bytes > 100, told, deleted: deleted.response.status, gone: gone.error?.code }));
`;

describe('the description of the API', () => {
  let service: RunningService;
  let text: string;

  beforeAll(async () => {
    service = await startService({ ...(await local.environment()), API_KEYS: item(KEY, 'read+write') });
    text = await (await fetch(`${service.url}/docs-json`)).text();
  });
  afterAll(() => service.stop());

  it('has nothing that Redocly finds, but that there is no licence yet', async () => {
    const config = await createConfig({ extends: ['recommended'] });
    const found = await lintFromString({ source: text, absoluteRef: '/docs-json', config });
    expect(found.map(({ ruleId }) => ruleId)).toEqual(['info-license']);
  });

  it('has nothing that Spectral finds', async () => {
    const linter = new spectral.Spectral();
    // Its own packages do not agree on the type of a ruleset.
    linter.setRuleset({ extends: [rulesets.oas as RulesetDefinition] });
    expect(await linter.run(text)).toEqual([]);
  });

  describe('makes a client for TypeScript', () => {
    let folder: string;

    beforeAll(async () => {
      // Within the project, so that imports find what is installed.
      mkdirSync('node_modules/.cache', { recursive: true });
      folder = mkdtempSync(resolve('node_modules/.cache/visage-'));
      const blob = ts.factory.createTypeReferenceNode('Blob');
      const types = await openapiTS(text, {
        transform: ({ format }) => (format === 'binary' ? blob : undefined),
      });
      const compilerOptions = {
        strict: true,
        module: 'node16',
        target: 'es2022',
        types: ['node'],
        skipLibCheck: true,
      };
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
      writeFileSync(join(folder, 'visage.ts'), astToString(types));
      writeFileSync(join(folder, 'program.ts'), PROGRAM);
      writeFileSync(join(folder, 'picture.png'), await numbered(1));
    });
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });

    it('whose types fit, and which uploads, reads, looks up and deletes', () => {
      const tsc = resolve('node_modules/typescript/bin/tsc');
      const { status, stdout } = spawnSync(process.execPath, [tsc, '--project', folder], {
        encoding: 'utf8',
      });
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
      const said = execFileSync(process.execPath, ['program.js', service.url, 'picture.png'], {
        cwd: folder,
      });
      expect(JSON.parse(said.toString())).toEqual({
        bytes: true,
        told: ['Alice', null, 'invalid_id'],
        deleted: 204,
        gone: 'avatar_not_found',
      });
    });
  });
});
