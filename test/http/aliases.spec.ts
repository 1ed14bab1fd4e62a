import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readManifest } from '../../src/model/manifest-format.js';
import { AvatarClient, expectStatus, idOf, jsonOf, lookup, numbered } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { clockAt } from '../support/clock.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { TORTURE } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';
import { storeCalls } from '../support/scrape.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { type Answer, problemOf } from './support/client.js';

/** An avatar of an older service. */

/** How often several change the aliases of an avatar at once. */
const ROUNDS = TORTURE ? 40 : 4;

const sum = (algorithm: 'md5' | 'sha256', text: string) => createHash(algorithm).update(text).digest('hex');
const sums = (address: string) => [sum('md5', address), sum('sha256', address)];

/** What the store holds of aliases that point at these ids: hash and id. */
async function stored(environment: Environment, ...ids: string[]): Promise<Record<string, string>> {
  const store = openBackend(environment);
  const found: Record<string, string> = {};
  for await (const { key } of store.list('aliases/')) {
    const object = await store.get(key);
    if (object === undefined || object === 'unchanged') continue;
    const { schema, id } = JSON.parse(object.bytes.toString()) as { schema: number; id: string };
    expect(schema).toBe(1);
    if (ids.includes(id)) found[key.slice('aliases/'.length, -'.json'.length)] = id;
  }
  return found;
}

/** The hashes that the manifest of an avatar lists, whether they stand for it or not. */
async function inManifest(environment: Environment, id: string): Promise<readonly string[] | undefined> {
  const object = await openBackend(environment).get(`manifests/${id}.json`);
  return object && object !== 'unchanged' ? readManifest(id, object.bytes).aliases?.hashes : undefined;
}

const IF_FREE = '?ifFree=true';

/** What a refusal with `alias_taken` names. */
function takenIn(answer: Answer): unknown {
  expect(problemOf(answer)).toEqual({ status: 409, code: 'alias_taken' });
  return (jsonOf(answer) as { taken: unknown }).taken;
}

/** What the store has at a hash. */
async function pointerAt(environment: Environment, hash: string): Promise<unknown> {
  const object = await openBackend(environment).get(`aliases/${hash}.json`);
  return object && object !== 'unchanged' && JSON.parse(object.bytes.toString());
}

const pointing = (id: string, hashes: readonly string[]) =>
  Object.fromEntries([...hashes].sort().map((hash) => [hash, id]));

describe.each(backends)('aliases on $name', (backend) => {
  let environment: Environment;
  let service: RunningService;
  let other: RunningService;

  beforeAll(async () => {
    environment = {
      ...(await backend.environment()),
      CACHE_MAX_AGE_MS: '0',
      CONSTANT_CACHE_UNKNOWN_HASH_MS: '0',
      LOG_LEVEL: 'trace',
    };
    [service, other] = await Promise.all([startService(environment), startService(environment)]);
  });
  afterAll(async () => {
    await Promise.all([service.stop(), other.stop()]);
  });

  const client = (id: string, at = service) => new AvatarClient(at.url, id);

  it.each<[what: string, body: Buffer, headers: Record<string, string>, status: number, code: string]>([
    ['no JSON', Buffer.from('{"emails":[bob@secret.example]}'), {}, 400, 'invalid_json'],
    ['no UTF-8', Buffer.from('{"emails":["b\xf6b@secret.example"]}', 'latin1'), {}, 400, 'invalid_json'],
    ['gzip', Buffer.from('{"emails":[]}'), { 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
  ])('refuses %s, and no log repeats it', async (_, body, headers, status, code) => {
    const answer = await client('spelled').send({ method: 'PUT', suffix: '/aliases', body, headers });
    expect(problemOf(answer)).toMatchObject({ status, code });
    expect(service.log()).not.toContain('secr');
  });
  const set = async (id: string, body: { emails?: string[]; hashes?: string[] }, at = service) =>
    (jsonOf(expectStatus(200, await client(id, at).setAliases(body))) as { hashes: string[] }).hashes;
  const listed = async (id: string, at = service) =>
    jsonOf(expectStatus(200, await client(id, at).get('/aliases')));

  it('registers both sums of an address and replaces the whole set, and keeps no address', async () => {
    expect(await listed('alice')).toEqual({ id: 'alice', hashes: [] });
    expect(await set('alice', { emails: [], hashes: [] })).toEqual([]);
    expect(await stored(environment, 'alice')).toEqual({});

    const given = sum('md5', 'third@example.org');
    const first = [...sums('alice@example.org'), given].sort();
    expect(await set('alice', { emails: [' Alice@Example.ORG '], hashes: [given.toUpperCase()] })).toEqual(
      first,
    );
    expect(await stored(environment, 'alice')).toEqual(pointing('alice', first));
    for (const at of [service, other]) {
      expect(await listed('alice', at)).toEqual({ id: 'alice', hashes: first });
      for (const hash of first) expect(await idOf(at.url, hash)).toBe('alice');
    }

    const second = sums('alice@example.com').sort();
    expect(await set('alice', { emails: ['alice@example.com'] }, other)).toEqual(second);
    expect(await stored(environment, 'alice')).toEqual(pointing('alice', second));
    for (const hash of first) expect(await idOf(service.url, hash)).toBeNull();
    expect(await set('alice', { hashes: [] })).toEqual([]);
    expect(await stored(environment, 'alice')).toEqual({});
    for (const hash of second) expect(await idOf(other.url, hash)).toBeNull();
    expect(service.log() + other.log()).not.toMatch(/alice@|example\.org|example\.com/i);
    for (const hash of first) expect(service.log() + other.log()).not.toContain(hash);
  });

  it('gives a hash to who registers it last, and takes it from nobody else', async () => {
    const hashes = sums('shared@example.org').sort();
    await set('first', { hashes });
    await set('second', { hashes }, other);
    expect(await idOf(service.url, hashes[0] ?? '')).toBe('second');
    await set('first', { hashes: [] });
    expect(await stored(environment, 'first', 'second')).toEqual(pointing('second', hashes));
    expect(await idOf(service.url, hashes[0] ?? '')).toBe('second');
    await set('first', { hashes });
    expect(await idOf(other.url, hashes[1] ?? '')).toBe('first');
    expectStatus(200, await client('second').erase());
    expect(await stored(environment, 'first', 'second')).toEqual(pointing('first', hashes));
  });

  it('says from whom a hash was taken, who then lists it no more', async () => {
    const [left = '', taken = ''] = sums('moved@example.org').sort();
    const put = async (id: string, hashes: string[], at = service) =>
      jsonOf(expectStatus(200, await client(id, at).setAliases({ hashes })));
    const both = [left, taken];
    expect(await put('old', both)).toEqual({ id: 'old', hashes: both, takenFrom: {} });
    const moved = { id: 'new', hashes: [taken], takenFrom: { [taken]: 'old' } };
    expect(await put('new', [taken], other)).toEqual(moved);
    expect(await put('new', [taken])).toEqual({ ...moved, takenFrom: {} });
    for (const at of [service, other]) {
      expect(await listed('old', at)).toEqual({ id: 'old', hashes: [left] });
      expect(await listed('new', at)).toEqual({ id: 'new', hashes: [taken] });
    }
    expect(await inManifest(environment, 'old')).toEqual([left]);
    expect(jsonOf(expectStatus(200, await client('old').erase()))).toMatchObject({ aliases: 1 });
    expect(await stored(environment, 'old', 'new')).toEqual({ [taken]: 'new' });
    expect(await put('old', both, other)).toMatchObject({ takenFrom: { [taken]: 'new' } });
    expect(await listed('new')).toEqual({ id: 'new', hashes: [] });
    // Nobody has it after a removal, whoever had it before.
    await put('old', []);
    for (const id of ['old', 'new']) expect(await listed(id)).toEqual({ id, hashes: [] });
  });

  it('takes a hash from nobody if what has it does not count, or cannot be read', async () => {
    const [pointed = '', damaged = ''] = sums('uncounted@example.org');
    const store = openBackend(environment);
    await store.store(`aliases/${pointed}.json`, Buffer.from('{"schema":1,"id":"killed"}'));
    await store.store(`aliases/${damaged}.json`, Buffer.from('{"schema":1,"id":"illegible"}'));
    await store.store('manifests/illegible.json', Buffer.from('{'));
    const answer = expectStatus(200, await client('sound').setAliases({ hashes: [pointed, damaged] }));
    expect(jsonOf(answer)).toMatchObject({ takenFrom: {} });
    expect(await stored(environment, 'sound')).toEqual(pointing('sound', [pointed, damaged]));
  });

  it('lists no hash whose pointer leads to another, as after a kill', async () => {
    const hashes = await set('robbed', { hashes: sums('robbed@example.org') });
    const [left = '', taken = ''] = hashes;
    await openBackend(environment).store(`aliases/${taken}.json`, Buffer.from('{"schema":1,"id":"killed"}'));
    expect(await inManifest(environment, 'robbed')).toEqual(hashes);
    for (const at of [service, other]) {
      expect(await listed('robbed', at)).toEqual({ id: 'robbed', hashes: [left] });
    }
  });

  it('takes nothing from another avatar with ifFree, and changes nothing if it had to', async () => {
    const [free = '', taken = '', own = ''] = ['free', 'taken', 'own'].map((one) => sum('md5', one)).sort();
    await set('owner', { hashes: [taken] });
    await set('careful', { hashes: [own] });
    const state = async () => [
      await stored(environment, 'owner', 'careful'),
      await inManifest(environment, 'owner'),
      await inManifest(environment, 'careful'),
    ];
    const before = await state();
    const careful = client('careful', other);
    expect(takenIn(await careful.setAliases({ hashes: [free, taken] }, IF_FREE))).toEqual({
      [taken]: 'owner',
    });
    expect(await state()).toEqual(before);
    const answer = expectStatus(200, await careful.setAliases({ hashes: [free, own] }, IF_FREE));
    const hashes = [free, own].sort();
    expect(jsonOf(answer)).toEqual({ id: 'careful', hashes, takenFrom: {} });
    expect(await stored(environment, 'owner', 'careful')).toEqual({
      ...pointing('careful', hashes),
      [taken]: 'owner',
    });
    // What was removed, erased, or never counted is free.
    await set('owner', { hashes: [] });
    expectStatus(200, await careful.setAliases({ hashes: [taken] }, IF_FREE));
    expectStatus(200, await client('careful').erase());
    const store = openBackend(environment);
    await store.store(`aliases/${own}.json`, Buffer.from('{"schema":1,"id":"unlisted"}'));
    expectStatus(200, await client('owner').setAliases({ hashes: [own, taken] }, IF_FREE));
    expect(await stored(environment, 'owner', 'careful', 'unlisted')).toEqual(
      pointing('owner', [own, taken]),
    );
    // Nobody can tell whose a damaged one is.
    await store.store(`aliases/${own}.json`, Buffer.from('{'));
    const damaged = await careful.setAliases({ hashes: [own] }, IF_FREE);
    expect(problemOf(damaged)).toEqual({ status: 503, code: 'manifest_unreadable' });
    const moved = expectStatus(200, await careful.setAliases({ hashes: [own, taken] }, '?ifFree=false'));
    expect(jsonOf(moved)).toMatchObject({ takenFrom: { [taken]: 'owner' } });
  });

  it.each<[string, query: string, body: object, parameter: string]>([
    ['is neither true nor false', '?ifFree=1', {}, 'ifFree'],
    ['is there twice', '?ifFree=true&ifFree=true', {}, 'ifFree'],
    ['is misspelt', '?iffree=true', {}, 'iffree'],
    ['is in the body', '', { ifFree: true }, 'ifFree'],
  ])('is refused if ifFree %s, and takes nothing', async (how, query, more, parameter) => {
    const hash = sum('md5', how);
    await set('has-it', { hashes: [hash] });
    const refused = await client('wants-it').setAliases({ hashes: [hash], ...more }, query);
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_aliases', parameter });
    expect(await idOf(other.url, hash)).toBe('has-it');
  });

  it('gives a hash to at most one of those who want it with ifFree', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const hashes = sums(`wanted-${round}`).sort();
      const ids = Array.from({ length: 6 }, (_, i) => `rival-${round}-${i}`);
      const answers = await Promise.all(
        ids.map((id, i) => client(id, i % 2 === 0 ? service : other).setAliases({ hashes }, IF_FREE)),
      );
      const winners = ids.filter((_, i) => answers[i]?.status === 200);
      for (const answer of answers) if (answer.status !== 200) takenIn(answer);
      expect(winners.length).toBeLessThan(2);
      expect(await stored(environment, ...ids)).toEqual(winners[0] ? pointing(winners[0], hashes) : {});
      for (const id of ids) {
        const own = winners.includes(id) ? hashes : [];
        expect((await inManifest(environment, id)) ?? []).toEqual(own);
        expect(await listed(id)).toEqual({ id, hashes: own });
      }
    }
  });

  it('still lists a hash whose record is damaged', async () => {
    const [hash = ''] = await set('rotten', { hashes: [sum('md5', 'rotten')] });
    await openBackend(environment).store(`aliases/${hash}.json`, Buffer.from('{'));
    expect(await listed('rotten', other)).toEqual({ id: 'rotten', hashes: [hash] });
    await set('rotten', { hashes: [] });
  });

  it('does not follow a pointer that its avatar does not list, and mends a damaged one', async () => {
    const [hash = ''] = sums('crashed@example.org');
    const store = openBackend(environment);
    await store.store(`aliases/${hash}.json`, Buffer.from('{"schema":1,"id":"crashed"}'));
    expect(await idOf(service.url, hash)).toBeNull();
    await set('crashed', { hashes: [hash] });
    expect(await idOf(service.url, hash)).toBe('crashed');
    for (const damaged of ['{', '{"schema":1,"id":""}', `{"schema":1,"id":"${'a'.repeat(300)}"}`]) {
      await store.store(`aliases/${hash}.json`, Buffer.from(damaged));
      expect((await lookup(service.url, { hashes: [hash] })).hashes[hash]).toMatchObject({
        error: { code: 'manifest_unreadable' },
      });
      await set('crashed', { hashes: [hash] });
      expect(await idOf(service.url, hash)).toBe('crashed');
    }
  });

  it('goes with an erasure even if it is damaged', async () => {
    const [hash = '', sound = ''] = sums('damaged@example.org');
    await set('damaged', { hashes: [hash, sound].sort() });
    await openBackend(environment).store(`aliases/${hash}.json`, Buffer.from('{"schema":1,"id":5}'));
    expect(jsonOf(expectStatus(200, await client('damaged').erase()))).toMatchObject({ aliases: 2 });
    expect(await pointerAt(environment, hash)).toMatchObject({ id: null });
    expect(await idOf(service.url, hash)).toBeNull();
  });

  it('goes with an erasure, which counts them, and comes back only if it is registered again', async () => {
    const hashes = sums('gone@example.org').sort();
    expectStatus(201, await client('gone').upload(await numbered(1)));
    await set('gone', { hashes });
    expect(jsonOf(expectStatus(200, await client('gone', other).erase()))).toMatchObject({
      objects: 1,
      aliases: 2,
      pending: false,
    });
    expect(await stored(environment, 'gone')).toEqual({});
    expect(await listed('gone')).toEqual({ id: 'gone', hashes: [] });
    expect(await idOf(service.url, hashes[0] ?? '')).toBeNull();
    expect(jsonOf(await client('gone').erase())).toMatchObject({ objects: 0, aliases: 0 });
    await set('gone', { hashes });
    expect(await idOf(service.url, hashes[0] ?? '')).toBe('gone');
  });

  it('stays through a delete and a new picture', async () => {
    const [hash = ''] = await set('stays', { emails: ['stays@example.org'] });
    const { hashes: before } = await lookup(service.url, { hashes: [hash] });
    expect(before[hash]).toMatchObject({ id: 'stays', version: null, default: true });
    expectStatus(201, await client('stays').upload(await numbered(1)));
    expect((await lookup(service.url, { hashes: [hash] })).hashes[hash]).toMatchObject({ default: false });
    expectStatus(204, await client('stays').delete());
    expect((await lookup(service.url, { hashes: [hash] })).hashes[hash]).toMatchObject({ default: true });
  });

  it('registers an address in every spelling that somebody may hash', async () => {
    const composed = 'j\u00f6rg@m\u00fcnchen.example';
    const ascii = 'j\u00f6rg@xn--mnchen-3ya.example';
    const decomposed = composed.normalize('NFD');
    const [byName, byAscii] = [sums(composed), sums(ascii)];
    const all = [...byName, ...byAscii].sort();
    for (const email of [' J\u00d6RG@M\u00fcnchen.example', 'j\u00f6rg@XN--mnchen-3ya.example'])
      expect(await set('spellings', { emails: [email] })).toEqual(all);
    expect(await set('spellings', { emails: [decomposed] })).toEqual([...all, ...sums(decomposed)].sort());
    for (const hash of [...all, ...sums(decomposed)]) expect(await idOf(other.url, hash)).toBe('spellings');
    // These only look like another address to what reads the hosts of URLs.
    for (const email of [
      ...['/\u00fc', '?\u00fc', '#\u00fc', '\\\u00fc', ':80'].map((rest) => `a@example.org${rest}`),
      ...[
        'm\u00fcnchen.example/x',
        'm\u00fc%41.org',
        '\uff10x7f.1',
        '\uff11',
        'xn--example-.org',
        '0x7f.1',
      ].map((domain) => `a@${domain}`),
      ...['\uff45xample.org', '\u24d4xample.org', 'example\u3002org', 'x.\u017forg'].map(
        (domain) => `a@${domain}`,
      ),
      '"a@b"@xn--99',
    ])
      expect(await set('spellings', { emails: [email] })).toEqual(sums(email).sort());
    await set('spellings', { emails: [] });
  });

  const md5 = sum('md5', 'x');
  it.each<[name: string, body: string, parameter: string]>([
    ['neither list', '{}', 'hashes'],
    ['null', 'null', 'hashes'],
    ['a list', '[]', 'hashes'],
    ['an address that is no list', '{"emails":"a@b"}', 'emails'],
    ['hashes that are no list', '{"hashes":{"0":"x"}}', 'hashes'],
    ['null for addresses', '{"emails":null}', 'emails'],
    ['an address without @', '{"emails":["nobody"]}', 'emails'],
    ['an address with a space', '{"emails":["a b@c"]}', 'emails'],
    ['an address with NUL', '{"emails":["a\\u0000@c"]}', 'emails'],
    ['an address with half a character', '{"emails":["\\ud800@c"]}', 'emails'],
    ['an address with an invisible space', '{"emails":["a\\u200b@c"]}', 'emails'],
    ['an address with an invisible mark', '{"emails":["a@c\\ufe0f"]}', 'emails'],
    ['an address with two @', '{"emails":["a@b@c"]}', 'emails'],
    ['an empty address', '{"emails":[""]}', 'emails'],
    ['a number for an address', '{"emails":[1]}', 'emails'],
    ['too long an address', JSON.stringify({ emails: [`${'a'.repeat(254)}@b`] }), 'emails'],
    ['a short hash', JSON.stringify({ hashes: [md5.slice(1)] }), 'hashes'],
    ['a SHA-1', JSON.stringify({ hashes: [md5 + md5.slice(0, 8)] }), 'hashes'],
    ['a path for a hash', JSON.stringify({ hashes: [`../${md5}`.slice(0, 32)] }), 'hashes'],
    ['a number for a hash', '{"hashes":[1]}', 'hashes'],
    ['one good and one bad', JSON.stringify({ emails: ['a@b'], hashes: [md5, 'x'] }), 'hashes'],
    ['51 addresses', JSON.stringify({ emails: Array(51).fill('a@b') }), 'emails'],
    ['51 together', JSON.stringify({ emails: Array(26).fill('a@b'), hashes: Array(25).fill(md5) }), 'hashes'],
  ])('refuses %s, and registers nothing', async (_, body, parameter) => {
    const refused = await new AvatarClient(service.url, 'bad').send({
      method: 'PUT',
      suffix: '/aliases',
      body,
    });
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_aliases', parameter });
    expect(await stored(environment, 'bad')).toEqual({});
    expect(await openBackend(environment).exists('manifests/bad.json')).toBe(false);
  });

  it('ends with one set that is whole, whoever changes it on whichever replica, erasures among them', async () => {
    const all = Array.from({ length: 6 }, (_, i) => sum('md5', `racer-${i}`));
    for (let round = 0; round < ROUNDS; round++) {
      const changes = Array.from({ length: 8 }, (_, i) => {
        const at = i % 2 === 0 ? service : other;
        if (i === 5) return client('race', at).erase();
        return client('race', at).setAliases({ hashes: all.filter((_one, n) => (n + i + round) % 3 !== 0) });
      });
      for (const { status } of await Promise.all(changes)) expect(status).toBe(200);
      const { hashes } = (await listed('race')) as { hashes: string[] };
      expect(await stored(environment, 'race')).toEqual(pointing('race', hashes));
      for (const hash of all) {
        const expected = hashes.includes(hash) ? 'race' : null;
        expect(await idOf(service.url, hash)).toBe(expected);
        expect(await idOf(other.url, hash)).toBe(expected);
      }
    }
  });

  it('takes 50 of the longest addresses, escaped, and refuses bodies beyond', async () => {
    const emails = Array.from({ length: 50 }, (_, i) => `${String(i).padStart(250, 'a')}@b.c`);
    const escape = (text: string) =>
      text.replace(/./g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const body = `{"emails":[${emails.map((email) => `"${escape(email)}"`).join()}]}`;
    const answer = await client('many').send({ method: 'PUT', suffix: '/aliases', body });
    expect((jsonOf(expectStatus(200, answer)) as { hashes: string[] }).hashes).toEqual(
      emails.flatMap(sums).sort(),
    );
    // Characters count, not the units of UTF-16, as OpenAPI has it.
    expectStatus(200, await client('many').setAliases({ emails: [` ${'😀'.repeat(250)}@b.c `] }));
    const large = JSON.stringify({ emails: [], padding: 'x'.repeat(128 * 1024) });
    const refused = await client('many').send({ method: 'PUT', suffix: '/aliases', body: large });
    expect(problemOf(refused)).toMatchObject({ status: 413, code: 'upload_too_large' });
  });
});

describe('a disk that fails', () => {
  it('never gets a hash into the log', async () => {
    const environment: Environment = { ...(await local.environment()), LOG_LEVEL: 'trace' };
    const service = await startService(environment);
    await writeFile(join(environment['STORAGE_LOCAL_PATH'] ?? '', 'aliases'), 'no folder');
    const hash = sum('sha256', 'secret');
    const client = new AvatarClient(service.url, 'secret');
    const refused = problemOf(await client.setAliases({ hashes: [hash] }));
    expect(refused).toEqual({ status: 503, code: 'storage_unavailable' });
    // By then the log is whole.
    await service.stop();
    expect(service.log()).toContain('the request failed');
    expect(service.log()).toContain('/aliases/-');
    expect(service.log()).not.toContain(hash);
  });
});

describe.each(backends)('a hot alias on $name', (backend) => {
  let service: RunningService;
  beforeAll(async () => {
    service = await startService({ ...(await backend.environment()), CACHE_MAX_AGE_MS: '3600000' });
  });
  afterAll(() => service.stop());

  it('costs no call to the store, be it known or unknown', async () => {
    const [hash = '', unknown = ''] = sums('hot@example.org');
    expectStatus(200, await new AvatarClient(service.url, 'hot').setAliases({ hashes: [hash] }));
    const ask = async () => [await idOf(service.url, hash), await idOf(service.url, unknown)];
    expect(await ask()).toEqual(['hot', null]);
    const before = await storeCalls(service.url);
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 10; i++) expect(await ask()).toEqual(['hot', null]);
    expect(await storeCalls(service.url)).toBe(before);
  });
});

describeS3('aliases while the bucket is away', () => {
  let direct: Environment;
  let proxy: FaultProxy;
  let service: RunningService;

  beforeAll(async () => {
    direct = await s3Environment();
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    service = await startService({
      ...behind.environment,
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '200',
      OUTBOX_PATH: await mkdtemp(join(tmpdir(), 'visage-outbox-')),
      CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '50',
      CACHE_MAX_AGE_MS: '0',
    });
  });
  afterAll(async () => {
    await proxy.stop();
    await service.stop();
  });

  it('are still known, cannot be changed, and go with an erasure that had to wait', async () => {
    const hashes = sums('away@example.org').sort();
    const [hash = ''] = hashes;
    const client = new AvatarClient(service.url, 'away');
    expectStatus(201, await client.upload(await numbered(1)));
    expectStatus(200, await client.setAliases({ hashes }));
    expect(await idOf(service.url, hash)).toBe('away');
    await proxy.stop();
    expect(await idOf(service.url, hash)).toBe('away');
    const unknown = await client.send({ method: 'PUT', suffix: '/aliases', body: '{"hashes":[]}' });
    expect(problemOf(unknown)).toEqual({ status: 503, code: 'storage_unavailable' });
    expect(jsonOf(expectStatus(202, await client.erase()))).toMatchObject({ aliases: 0, pending: true });
    expect(await idOf(service.url, hash)).toBeNull();
    await proxy.resume();
    while (Object.keys(await stored(direct, 'away')).length > 0) await sleep(50);
  });
});

describeS3('a change of aliases that is cut after any request to the bucket', () => {
  let direct: Environment;
  let proxy: FaultProxy;
  let service: RunningService;

  beforeAll(async () => {
    direct = await s3Environment();
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    service = await startService({
      ...behind.environment,
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
      // An open circuit would answer for requests that are to meet the fault.
      CONSTANT_STORAGE_S3_BREAKER_FAILURES: '1000000',
      STORAGE_FALLBACK: 'none',
      CACHE_MAX_AGE_MS: '0',
    });
  });
  afterAll(async () => {
    await proxy.stop();
    await service.stop();
  });

  const [before, after] = [sum('md5', 'before'), sum('md5', 'after')];
  const fault = { type: 'error', status: 503, code: 'SlowDown' } as const;

  /** @returns how many cuts there were until a change came through */
  async function cutEverywhere(
    change: (client: AvatarClient) => Promise<Answer>,
    judge: (client: AvatarClient, id: string) => Promise<void>,
    done: (id: string) => Promise<void>,
    prepare = () => Promise.resolve(),
  ): Promise<number> {
    for (let cut = 0; ; cut++) {
      const id = `cut-${cut}`;
      const client = new AvatarClient(service.url, id);
      expectStatus(200, await client.setAliases({ hashes: [before] }));
      await prepare();
      proxy.clear();
      proxy.rule({ fault, skip: cut, thenAll: true });
      const { status } = await change(client);
      proxy.clear();
      if (status !== 200) {
        expect(status).toBe(503);
        await judge(client, id);
        expectStatus(200, await change(client));
      }
      await done(id);
      expectStatus(200, await client.erase());
      if (status === 200) return cut;
    }
  }

  const listed = async (client: AvatarClient) =>
    (jsonOf(expectStatus(200, await client.get('/aliases'))) as { hashes: string[] }).hashes;

  it('leaves the old set or the new one, and a repetition completes it', async () => {
    const cuts = await cutEverywhere(
      (client) => client.setAliases({ hashes: [after] }),
      async (client, id) => {
        const now = await listed(client);
        expect([before, after]).toEqual(expect.arrayContaining(now));
        expect(now).toHaveLength(1);
        for (const hash of [before, after]) {
          expect(await idOf(service.url, hash)).toBe(now.includes(hash) ? id : null);
        }
      },
      async (id) => {
        expect([await idOf(service.url, before), await idOf(service.url, after)]).toEqual([null, id]);
      },
    );
    expect(cuts).toBeGreaterThan(5);
  });

  it('leaves a hash that is taken over to one of both or to nobody, and a repetition completes it', async () => {
    const owner = new AvatarClient(service.url, 'cut-owner');
    const cuts = await cutEverywhere(
      (client) => client.setAliases({ hashes: [after] }),
      async (client, id) => {
        const now = await idOf(service.url, after);
        expect([id, 'cut-owner', null]).toContain(now);
        expect(await listed(owner)).toEqual(now === 'cut-owner' ? [after] : []);
        expect((await listed(client)).includes(after)).toBe(now === id);
      },
      async (id) => {
        expect([await idOf(service.url, before), await idOf(service.url, after)]).toEqual([null, id]);
        expect(await listed(owner)).toEqual([]);
      },
      async () => {
        expectStatus(200, await owner.setAliases({ hashes: [after] }));
      },
    );
    expect(cuts).toBeGreaterThan(7);
  });

  it('erases what a repetition finds, and then leaves nothing', async () => {
    const cuts = await cutEverywhere(
      (client) => client.erase(),
      async (client, id) => {
        if ((await listed(client)).length === 0) expect(await idOf(service.url, before)).toBeNull();
        else expect([id, null]).toContain(await idOf(service.url, before));
      },
      async (id) => {
        expect(await stored(direct, id)).toEqual({});
      },
    );
    expect(cuts).toBeGreaterThan(5);
  });
});

describeS3('the removal of a hash', () => {
  let proxy: FaultProxy;
  /** Its calls to the bucket may be held up. */
  let slow: RunningService;
  let other: RunningService;

  beforeAll(async () => {
    const direct = {
      ...(await s3Environment()),
      ...{ CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0' },
    };
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    [slow, other] = await Promise.all([
      // An attempt is given up after a quarter of it, and repeated.
      startService({ ...behind.environment, STORAGE_S3_TIMEOUT_MS: '4000' }),
      startService(direct),
    ]);
  });
  afterEach(() => {
    proxy.clear();
  });
  afterAll(async () => {
    await Promise.all([slow.stop(), other.stop()]);
    await proxy.stop();
  });

  const REMOVALS: [how: string, remove: (client: AvatarClient) => Promise<Answer>][] = [
    ['that is given up', (client) => client.setAliases({ hashes: [] })],
    ['that goes with an erasure', (client) => client.erase()],
  ];
  const written = (hash: string) => ({ key: `aliases/${hash}.json` });

  it.each(REMOVALS)('%s deletes nothing, so that no deletion can arrive late', async (how, remove) => {
    const hash = sum('md5', `deleted ${how}`);
    const before = new AvatarClient(slow.url, 'before');
    expectStatus(200, await before.setAliases({ hashes: [hash] }));
    proxy.clear();
    expectStatus(200, await remove(before));
    expect(await idOf(other.url, hash)).toBeNull();
    expect(proxy.count({ ...written(hash), operation: 'DeleteObject' })).toBe(0);
  });

  it.each(REMOVALS)(
    '%s takes no later registration, however late its first attempt arrives',
    async (how, remove) => {
      for (const after of ['after', 'before']) {
        const hash = sum('md5', `${how}, ${after}`);
        const before = new AvatarClient(slow.url, 'before');
        expectStatus(200, await before.setAliases({ hashes: [hash] }));
        const asked = proxy.hold({ ...written(hash), operation: 'PutObject' });
        const removal = remove(before);
        const held = await asked;
        // The second attempt gets through.
        expectStatus(200, await removal);
        expectStatus(200, await new AvatarClient(other.url, after).setAliases({ hashes: [hash] }));
        await held.commit();
        for (const { url } of [slow, other]) expect(await idOf(url, hash)).toBe(after);
      }
    },
  );
});

describeS3('two avatars that want a hash at the same time', () => {
  let direct: Environment;
  let proxy: FaultProxy;
  /** Its calls to the bucket may be held up. */
  let slow: RunningService;
  let other: RunningService;
  let hash: string;
  let first: AvatarClient;
  let second: AvatarClient;
  const kept = sum('md5', 'kept');

  beforeAll(async () => {
    direct = {
      ...(await s3Environment()),
      ...{ CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0' },
      // So that changes that build on the same list have the same time.
      ...clockAt(Date.now()),
    };
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    [slow, other] = await Promise.all([startService(behind.environment), startService(direct)]);
    first = new AvatarClient(slow.url, 'first');
    second = new AvatarClient(other.url, 'second');
  });
  afterAll(async () => {
    await Promise.all([slow.stop(), other.stop()]);
    await proxy.stop();
  });
  let count = 0;
  beforeEach(async () => {
    proxy.clear();
    hash = sum('md5', `both ${++count}`);
    expectStatus(200, await first.setAliases({ hashes: [kept] }));
    expectStatus(200, await second.setAliases({ hashes: [] }));
  });

  const POINTER = { operation: 'PutObject', key: /^aliases/ } as const;
  const MANIFEST = { operation: 'PutObject', key: 'manifests/first.json' } as const;
  const lists = async (id: string) => [
    await inManifest(direct, id),
    (jsonOf(await new AvatarClient(other.url, id).get('/aliases')) as { hashes: string[] }).hashes,
  ];

  it.each([
    ['pointer', POINTER],
    ['manifest', MANIFEST],
  ])('both with ifFree: the first loses before its %s, and keeps what it had', async (_, write) => {
    const held = proxy.hold(write);
    const late = first.setAliases({ hashes: [hash] }, IF_FREE);
    const request = await held;
    expectStatus(200, await second.setAliases({ hashes: [hash] }, IF_FREE));
    request.pass();
    expect(takenIn(await late)).toEqual({ [hash]: 'second' });
    expect(await lists('first')).toEqual([[kept], [kept]]);
    expect(await lists('second')).toEqual([[hash], [hash]]);
    expect(await stored(direct, 'first', 'second')).toEqual({ [kept]: 'first', [hash]: 'second' });
  });

  it('both with ifFree: the second loses after the manifest of the first', async () => {
    const held = proxy.hold(MANIFEST);
    const early = first.setAliases({ hashes: [hash] }, IF_FREE);
    const reply = await (await held).commitAndWait();
    expect(takenIn(await second.setAliases({ hashes: [hash] }, IF_FREE))).toEqual({ [hash]: 'first' });
    reply();
    expectStatus(200, await early);
    expect([await lists('first'), await lists('second')]).toEqual([
      [[hash], [hash]],
      [[], []],
    ]);
    expect(await stored(direct, 'first', 'second')).toEqual({ [hash]: 'first' });
  });

  it('both with ifFree: the second loses to a manifest that it has not seen', async () => {
    const manifest = proxy.hold(MANIFEST);
    const early = first.setAliases({ hashes: [hash] }, IF_FREE);
    const ahead = await manifest;
    const pointer = proxy.hold(POINTER);
    const late = new AvatarClient(slow.url, 'second').setAliases({ hashes: [hash] }, IF_FREE);
    const held = await pointer;
    ahead.pass();
    expectStatus(200, await early);
    held.pass();
    expect(takenIn(await late)).toEqual({ [hash]: 'first' });
    expect(await stored(direct, 'first', 'second')).toEqual({ [hash]: 'first' });
  });

  it('nobody gets between one that has it with ifFree and its pointer', async () => {
    const manifest = proxy.hold(MANIFEST);
    const early = first.setAliases({ hashes: [hash] }, IF_FREE);
    const ahead = await manifest;
    // It has seen a pointer that does not count yet.
    const pointer = proxy.hold(POINTER);
    const late = new AvatarClient(slow.url, 'second').setAliases({ hashes: [hash] }, IF_FREE);
    const held = await pointer;
    ahead.pass();
    expectStatus(200, await early);
    const reply = await held.commitAndWait();
    const third = new AvatarClient(other.url, 'third');
    expect(takenIn(await third.setAliases({ hashes: [hash] }, IF_FREE))).toEqual({ [hash]: 'first' });
    reply();
    expect(takenIn(await late)).toEqual({ [hash]: 'first' });
    expect(await stored(direct, 'first', 'second', 'third')).toEqual({ [hash]: 'first' });
  });

  it('whoever drops it while its pointer is confirmed leaves no pointer', async () => {
    const pointer = { ...POINTER, key: `aliases/${hash}.json` };
    const confirming = proxy.hold(pointer, { skip: 1 });
    const early = first.setAliases({ hashes: [kept, hash] });
    const confirmation = await confirming;
    const releasing = proxy.hold(pointer);
    const late = first.setAliases({ hashes: [kept] });
    const release = await releasing;
    confirmation.pass();
    expectStatus(200, await early);
    release.pass();
    expectStatus(200, await late);
    expect(await lists('first')).toEqual([[kept], [kept]]);
    expect(await stored(direct, 'first')).toEqual({ [kept]: 'first' });
  });

  it('the first without ifFree takes it from the second, which has it with ifFree meanwhile', async () => {
    const held = proxy.hold(MANIFEST);
    const late = first.setAliases({ hashes: [hash] });
    const request = await held;
    expectStatus(200, await second.setAliases({ hashes: [hash] }, IF_FREE));
    request.pass();
    expect(jsonOf(expectStatus(200, await late))).toMatchObject({ takenFrom: { [hash]: 'second' } });
    expect([await lists('first'), await lists('second')]).toEqual([
      [[hash], [hash]],
      [[], []],
    ]);
  });

  it('a change of the first wins over what the second has taken from its list before', async () => {
    expectStatus(200, await first.setAliases({ hashes: [kept, 'f'.repeat(32)] }));
    const held = proxy.hold(MANIFEST);
    const late = first.setAliases({ hashes: [hash] });
    const request = await held;
    const taken = jsonOf(expectStatus(200, await second.setAliases({ hashes: [kept] })));
    expect(taken).toMatchObject({ takenFrom: { [kept]: 'first' } });
    request.pass();
    expectStatus(200, await late);
    expect([await lists('first'), await lists('second')]).toEqual([
      [[hash], [hash]],
      [[kept], [kept]],
    ]);
  });
});
