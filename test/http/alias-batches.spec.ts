import { createHash } from 'node:crypto';
import { AvatarClient, expectStatus, idOf, jsonOf } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { type RunningService, startService } from '../support/service.js';
import { problemOf, send } from './support/client.js';

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const sums = (address: string) =>
  ['md5', 'sha256'].map((algorithm) => createHash(algorithm).update(address).digest('hex')).sort();

interface Result {
  id: string;
  status: number;
  hashes?: string[];
  takenFrom?: Record<string, string>;
  error?: { code: string; detail: string; parameter?: string; taken?: Record<string, string> };
}

const put = ({ url }: RunningService, avatars: unknown, query = '') =>
  send(url, { method: 'PUT', path: `/v1/aliases${query}`, body: JSON.stringify({ avatars }) });

async function results(service: RunningService, avatars: unknown, query?: string): Promise<Result[]> {
  const answer = expectStatus(200, await put(service, avatars, query));
  expect(answer.headers['cache-control']).toBe('no-store');
  return (jsonOf(answer) as { avatars: Result[] }).avatars;
}

const told = ({ id, status, error }: Result) =>
  [id, status, ...(error ? [error.code, error.parameter ?? error.taken] : [])] as unknown[];

describe.each(backends)('the addresses of many avatars on $name', (backend) => {
  let service: RunningService;

  beforeAll(async () => {
    service = await startService({
      ...(await backend.environment()),
      ...{ CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0', LOG_LEVEL: 'trace' },
    });
  });
  afterAll(() => service.stop());

  const listed = async (id: string) =>
    (jsonOf(await new AvatarClient(service.url, id).get('/aliases')) as { hashes: string[] }).hashes;

  it('are set in one call, each as by a call of its own', async () => {
    const given = md5('given');
    expectStatus(200, await new AvatarClient(service.url, 'ann').setAliases({ hashes: [md5('replaced')] }));
    expectStatus(200, await new AvatarClient(service.url, 'cid').setAliases({ hashes: [md5('removed')] }));
    expectStatus(200, await new AvatarClient(service.url, 'old').setAliases({ hashes: [given] }));
    const bob = sums('bob@secret.example');
    expect(
      await results(service, [
        { id: 'bob', emails: [' Bob@Secret.example'], hashes: [given.toUpperCase()] },
        { id: 'ann', hashes: [md5('new')] },
        { id: 'cid', emails: [], hashes: [] },
      ]),
    ).toEqual([
      { id: 'bob', status: 200, hashes: [...bob, given].sort(), takenFrom: { [given]: 'old' } },
      { id: 'ann', status: 200, hashes: [md5('new')], takenFrom: {} },
      { id: 'cid', status: 200, hashes: [], takenFrom: {} },
    ]);
    expect(await listed('ann')).toEqual([md5('new')]);
    expect([await listed('cid'), await listed('old')]).toEqual([[], []]);
    for (const hash of [...bob, given]) expect(await idOf(service.url, hash)).toBe('bob');
    for (const secret of ['secret.example', ...bob]) expect(service.log()).not.toContain(secret);
  });

  it('are refused for one avatar without failing the others', async () => {
    const [first, second] = [md5('first'), md5('second')];
    const sent = [
      { id: 'dora', hashes: [first] },
      { id: 'lookup', hashes: [second] },
      { id: '.', hashes: [second] },
      { id: 'dora', hashes: [second] },
      { id: 'erik', emails: ['nobody'] },
      { id: 'finn', hashes: [second.slice(1)] },
      { id: 'gina' },
      { id: 'hans', hashes: Array(51).fill(second) },
      { id: 'iris', hashes: [second, first] },
      { id: 'jack', hashes: [second] },
    ];
    expect((await results(service, sent)).map(told)).toEqual([
      ['dora', 200],
      ['lookup', 400, 'invalid_id', 'id'],
      ['.', 400, 'invalid_id', 'id'],
      ['dora', 400, 'invalid_aliases', 'id'],
      ['erik', 400, 'invalid_aliases', 'emails'],
      ['finn', 400, 'invalid_aliases', 'hashes'],
      ['gina', 400, 'invalid_aliases', 'hashes'],
      ['hans', 400, 'invalid_aliases', 'hashes'],
      ['iris', 409, 'alias_taken', { [first]: 'dora' }],
      ['jack', 200],
    ]);
    expect([await listed('dora'), await listed('iris'), await listed('jack')]).toEqual([
      [first],
      [],
      [second],
    ]);
  });

  it('are taken from nobody with ifFree', async () => {
    const [taken, free] = [md5('taken'), md5('free')];
    await results(service, [{ id: 'kate', hashes: [taken] }]);
    const sent = [
      { id: 'lars', hashes: [taken] },
      { id: 'mia', hashes: [free] },
    ];
    expect((await results(service, sent, '?ifFree=true')).map(told)).toEqual([
      ['lars', 409, 'alias_taken', { [taken]: 'kate' }],
      ['mia', 200],
    ]);
    expect([await idOf(service.url, taken), await idOf(service.url, free)]).toEqual(['kate', 'mia']);
  });

  it('are refused if ifFree is misspelt or in the body, as a whole or in an entry', async () => {
    const taken = md5('theirs');
    await results(service, [{ id: 'noa', hashes: [taken] }]);
    const refused = { code: 'invalid_aliases', parameter: 'ifFree' };
    const entry = { id: 'otto', hashes: [taken], ifFree: true };
    expect(await results(service, [entry])).toMatchObject([{ id: 'otto', status: 400, error: refused }]);
    const body = JSON.stringify({ avatars: [{ id: 'otto', hashes: [taken] }], ifFree: true });
    const whole = await send(service.url, { method: 'PUT', path: '/v1/aliases', body });
    expect(problemOf(whole)).toEqual({ status: 400, ...refused });
    expect(await idOf(service.url, taken)).toBe('noa');
  });

  it.each<[name: string, avatars: unknown]>([
    ['no avatars', []],
    ['no list', { id: 'ann' }],
    ['an entry that is a list', [['ann']]],
    ['an entry without an id', [{ hashes: [] }]],
    ['an id that is a number', [{ id: 1, hashes: [] }]],
    ['addresses that are no list', [{ id: 'ann', emails: 'a@b' }]],
    ['a hash that is no text', [{ id: 'ann', hashes: [null] }]],
    ['1001 avatars', Array.from({ length: 1001 }, (_, i) => ({ id: `a${i}`, hashes: [] }))],
  ])('refuses %s as a whole', async (_, avatars) => {
    const before = await listed('ann');
    const refused = problemOf(await put(service, avatars));
    expect(refused).toEqual({ status: 400, code: 'invalid_aliases', parameter: 'avatars' });
    expect(await listed('ann')).toEqual(before);
  });
});

describe('the addresses of many avatars', () => {
  it('are left as they are for those that were not begun in time', async () => {
    const environment = await local.environment();
    const service = await startService({ ...environment, CONSTANT_ALIAS_BATCH_TIMEOUT_MS: '0' });
    const ids = Array.from({ length: 1000 }, (_, i) => `late-${i}`);
    const answered = await results(
      service,
      ids.map((id) => ({ id, hashes: [md5(id)] })),
    );
    expect(answered.map(told)).toEqual(ids.map((id) => [id, 503, 'busy', undefined]));
    for await (const { key } of openBackend(environment).list('aliases/')) expect(key).toBe('');
    expect(problemOf(await put(service, [{ id: 'x'.repeat(1024 * 1024) }]))).toMatchObject({ status: 413 });
    await service.stop();
  });
});

describeS3('the addresses of many avatars, of which one cannot be stored', () => {
  it('are stored for the others', async () => {
    const { environment, proxy } = await behindProxy(await s3Environment());
    const service = await startService({ ...environment, CONSTANT_STORAGE_S3_ATTEMPTS: '1' });
    const fault = { type: 'error', status: 503, code: 'SlowDown' } as const;
    proxy.rule({ operation: 'PutObject', key: 'manifests/bad.json', fault });
    const sent = ['good', 'bad', 'sound'].map((id) => ({ id, hashes: [md5(id)] }));
    expect((await results(service, sent)).map(told)).toEqual([
      ['good', 200],
      ['bad', 503, 'storage_unavailable', undefined],
      ['sound', 200],
    ]);
    proxy.clear();
    expect((await results(service, sent)).map(told)).toEqual(sent.map(({ id }) => [id, 200]));
    for (const { id } of sent) expect(await idOf(service.url, md5(id))).toBe(id);
    await service.stop();
    await proxy.stop();
    expect(service.log()).toContain('the request failed');
  });
});
