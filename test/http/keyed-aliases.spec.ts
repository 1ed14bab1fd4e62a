import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashEmail, isNoAlias } from '../../src/model/alias.js';
import { pathsOf, tagOfHash, tagsOf } from '../../src/model/purging.js';
import { reportOf, visage } from '../cli/support/program.js';
import { AvatarClient, expectStatus, idOf, jsonOf, lookup, numbered } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import { local } from '../support/local.js';
import { storeCalls } from '../support/scrape.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { problemOf, send } from './support/client.js';

const KEY = 'k'.repeat(32);
const OTHER_KEY = 'another key'.replace(' ', '-').repeat(4);
const EMAIL = 'alice@example.org';

const hmac = (key: string, address = EMAIL) => createHmac('sha256', key).update(address).digest('hex');

describe.each(backends)('with ALIAS_KEY on $name', (backend) => {
  let plain: Environment;
  let running: RunningService | undefined;
  beforeEach(async () => {
    plain = { ...(await backend.environment()), CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0' };
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  /** Starts the service over the same storage, and stops the one before. @returns calls on the avatar `alice` */
  const start = async (more: Environment = {}) => {
    await running?.stop();
    const service = (running = await startService({ ...plain, LOG_LEVEL: 'trace', ...more }));
    const client = new AvatarClient(service.url, 'alice');
    return {
      service,
      client,
      set: async (body: { emails?: string[]; hashes?: string[] }) =>
        (jsonOf(expectStatus(200, await client.setAliases(body))) as { hashes: string[] }).hashes,
      listed: async () =>
        (jsonOf(expectStatus(200, await client.get('/aliases'))) as { hashes: string[] }).hashes,
      /** The ids that hashes stand for. */
      ids: (...hashes: string[]) => Promise.all(hashes.map((hash) => idOf(service.url, hash))),
      picture: (hash: string) => send(service.url, { path: `/avatar/${hash}?d=404` }),
    };
  };
  /** The names of the aliases in the storage, apart from those that were removed. */
  const stored = async () => {
    const store = openBackend(plain);
    const names = [];
    for await (const { key } of store.list('aliases/')) {
      const object = await store.get(key);
      if (object && object !== 'unchanged' && !isNoAlias(object)) names.push(key.slice(8, -5));
    }
    return names;
  };
  /**
   * `verify` finds nothing, now and when no alias is young any more, and `gc` then only what is left of removed aliases.
   * @param removed how many that are
   */
  const expectClean = async (environment: Environment, removed = 0) => {
    // A bucket refuses requests that come more than 15 minutes too early.
    const later = { ...environment, ...clockAt(Date.now() + 600_000), AVATAR_GRACE_MS: '300000' };
    for (const at of [environment, later])
      expect(await reportOf(at, 'verify')).toMatchObject({ code: 0, findings: [] });
    expect(await reportOf(later, 'gc')).toMatchObject({ code: 0, aliases: removed, findings: [] });
  };

  it('only the HMAC of an address stands for an avatar, and is computed or taken', async () => {
    const keyed = await start({ ALIAS_KEY: KEY });
    const hash = hmac(KEY);
    expectStatus(201, await keyed.client.upload(await numbered(1)));
    expect(await keyed.set({ emails: [' Alice@Example.ORG '] })).toEqual([hash]);
    expect(await keyed.listed()).toEqual([hash]);
    expect(await keyed.ids(hash, ...hashEmail(EMAIL))).toEqual(['alice', null, null]);
    expectStatus(200, await keyed.picture(hash));
    expectStatus(200, await keyed.picture(hash.toUpperCase()));
    for (const sum of hashEmail(EMAIL)) expectStatus(404, await keyed.picture(sum));

    const second = hmac(KEY, 'second@example.org');
    const both = [hash, second].sort();
    expect(await keyed.set({ emails: [EMAIL], hashes: [second.toUpperCase()] })).toEqual(both);
    expect((await lookup(keyed.service.url, { hashes: both })).hashes).toMatchObject({
      [hash]: { id: 'alice' },
      [second]: { id: 'alice' },
    });
    expect(await stored()).toEqual(
      both.map((one) => expect.stringMatching(`^[0-9a-f]{8}-${one}$`) as string),
    );
    await expectClean({ ...plain, ALIAS_KEY: KEY });
    await expectClean(plain);
    const bob = new AvatarClient(keyed.service.url, 'bob');
    const refused = await bob.setAliases({ emails: [EMAIL] }, '?ifFree=true');
    expect(problemOf(refused)).toEqual({ status: 409, code: 'alias_taken' });
    expect(jsonOf(refused)).toMatchObject({ taken: { [hash]: 'alice' } });
    const taking = expectStatus(200, await bob.setAliases({ emails: [EMAIL] }));
    expect(jsonOf(taking)).toEqual({ id: 'bob', hashes: [hash], takenFrom: { [hash]: 'alice' } });
    // Of a hash that was taken over and removed, no list is left that `verify` would miss it for.
    expectStatus(200, await bob.setAliases({ emails: [] }));
    await expectClean(plain, 1);
    expect(await keyed.set({ emails: [EMAIL], hashes: [second] })).toEqual(both);
    expect(jsonOf(expectStatus(200, await keyed.client.erase()))).toMatchObject({ aliases: 2 });
    expect(await stored()).toEqual([]);

    const log = keyed.service.log();
    for (const secret of [KEY, hash, second]) expect(log).not.toContain(secret);
  });

  it('an MD5 is refused with the reason, and asking for one costs no call to the store', async () => {
    const keyed = await start({ ALIAS_KEY: KEY, CONSTANT_HEALTH_MAX_AGE_MS: '3600000' });
    const [md5 = ''] = hashEmail(EMAIL);
    const refused = await keyed.client.setAliases({ hashes: [md5] });
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_aliases', parameter: 'hashes' });
    expect((jsonOf(refused) as { detail: string }).detail).toMatch(/MD5.*ALIAS_KEY.*HMAC-SHA256/);
    expect(await stored()).toEqual([]);
    const before = await storeCalls(keyed.service.url);
    expect(await keyed.ids(md5)).toEqual([null]);
    expectStatus(404, await keyed.picture(md5));
    expect(await storeCalls(keyed.service.url)).toBe(before);
  });

  it('what was registered without it, or with another key, answers to nobody until it is registered again', async () => {
    const sums = hashEmail(EMAIL).sort();
    const before = await start();
    expectStatus(201, await before.client.upload(await numbered(1)));
    expect(await before.set({ emails: [EMAIL] })).toEqual(sums);

    const first = await start({ ALIAS_KEY: KEY });
    expect(await first.ids(...sums, hmac(KEY))).toEqual([null, null, null]);
    expect(await first.listed()).toEqual([]);
    await expectClean({ ...plain, ALIAS_KEY: KEY });
    expect(await first.set({ emails: [EMAIL] })).toEqual([hmac(KEY)]);
    expect(await stored()).toHaveLength(1);

    const second = await start({ ALIAS_KEY: OTHER_KEY });
    expect(await second.ids(hmac(KEY), hmac(OTHER_KEY))).toEqual([null, null]);
    expect(await second.listed()).toEqual([]);
    // The HMAC by another key has the same form. It is only another text under this key.
    const bob = new AvatarClient(second.service.url, 'bob');
    expectStatus(200, await bob.setAliases({ emails: [EMAIL] }));
    expect(await second.ids(hmac(KEY), hmac(OTHER_KEY))).toEqual([null, 'bob']);
    expect(await stored()).toHaveLength(2);

    // Back to the first key: nothing was lost.
    const again = await start({ ALIAS_KEY: KEY });
    expect(await again.ids(hmac(KEY), hmac(OTHER_KEY))).toEqual(['alice', null]);
    const plainAgain = await start();
    expect(await plainAgain.ids(hmac(KEY), hmac(OTHER_KEY))).toEqual([null, null]);
    expect(await plainAgain.listed()).toEqual([]);
    await expectClean(plain, 2);

    expect(jsonOf(expectStatus(200, await plainAgain.client.erase()))).toMatchObject({ aliases: 1 });
    expectStatus(200, await new AvatarClient(plainAgain.service.url, 'bob').setAliases({ emails: [] }));
    expect(await stored()).toEqual([]);
    await expectClean(plain, 2);
  });

  it('gc deletes an alias that no manifest lists', async () => {
    const hash = hmac(KEY);
    const store = openBackend(plain);
    await store.store(`aliases/0123abcd-${hash}.json`, Buffer.from('{"schema":1,"id":"alice"}'));
    const later = { ...plain, ...clockAt(Date.now() + 600_000), AVATAR_GRACE_MS: '300000' };
    expect((await reportOf(later, 'verify')).findings.map(({ code }) => code)).toEqual(['orphaned_alias']);
    expect(await reportOf(later, 'gc')).toMatchObject({ code: 0, aliases: 1 });
    expect(await stored()).toEqual([]);
  });

  it('aliases move to another storage, whoever has the key', async () => {
    const keyed = await start({ ALIAS_KEY: KEY });
    expectStatus(201, await keyed.client.upload(await numbered(1)));
    await keyed.set({ emails: [EMAIL] });
    const names = await stored();
    const to = await local.environment();
    const config = join(to['STORAGE_LOCAL_PATH'] ?? '', '..', `${names.join()}.yaml`);
    await writeFile(config, `storage: { local: { path: ${to['STORAGE_LOCAL_PATH'] ?? ''} } }`);
    const routes = ['--from', backend.name, '--to', 'local', '--to-config', config];
    expect(await reportOf(plain, 'migrate', ...routes)).toMatchObject({ code: 0, findings: [] });
    plain = { ...plain, ...to };
    expect(await stored()).toEqual(names);
    expect(await (await start({ ALIAS_KEY: KEY })).ids(hmac(KEY))).toEqual(['alice']);
  });
});

describe('with ALIAS_KEY', () => {
  it('a CDN is purged by the hashes that clients ask for', () => {
    const hash = hmac(KEY);
    const change = { id: 'alice', aliases: [`0123abcd-${hash}`], aliased: true, registered: true };
    expect(pathsOf(change)).toContain(`/avatar/${hash}`);
    expect(tagsOf(change)).toContain(tagOfHash(hash));
  });

  it('no log has a name of an alias, also if the disk fails', async () => {
    const environment: Environment = {
      ...(await local.environment()),
      ALIAS_KEY: KEY,
      LOG_LEVEL: 'trace',
    };
    const service = await startService(environment);
    await writeFile(join(environment['STORAGE_LOCAL_PATH'] ?? '', 'aliases'), 'no folder');
    const refused = await new AvatarClient(service.url, 'alice').setAliases({ emails: [EMAIL] });
    expect(problemOf(refused)).toEqual({ status: 503, code: 'storage_unavailable' });
    // By then the log is whole.
    await service.stop();
    expect(service.log()).toContain('/aliases/-');
    expect(service.log()).not.toContain(hmac(KEY));
  });

  it.each([
    ['31 characters', 'k'.repeat(31)],
    ['a space', `${'k'.repeat(32)} x`],
    ['the end of a line', `${'k'.repeat(32)}\n`],
    ['other letters', 'ä'.repeat(32)],
  ])('a secret with %s is refused, and not repeated', async (_, key) => {
    const environment = { ...(await local.environment()), ALIAS_KEY: key };
    const { code, stdout, stderr } = await visage(environment, 'doctor');
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(
      /ALIAS_KEY must be a secret of at least 32 characters.*openssl rand -hex 32/,
    );
    expect(stdout + stderr).not.toContain(key.trim());
  });
});
