import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashEmail } from '../../src/model/alias.js';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { reportOf } from '../cli/support/program.js';
import { problemOf, send } from '../http/support/client.js';
import { uniquePng } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { rot } from '../support/rot.js';
import { readMetrics, total } from '../support/scrape.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

const EMAIL = 'alice@example.com';
const [HASH = ''] = hashEmail(EMAIL);

describe('a disk that loses bits', () => {
  let environment: Environment;
  let before: RunningService;
  /** Another process, which has none of it in memory. */
  let after: RunningService;
  let version: string;
  const keys: Record<string, string> = { manifest: manifestKey('alice'), alias: aliasKey(HASH) };
  const fileOf = (name: string) => join(environment['STORAGE_LOCAL_PATH'] ?? '', keys[name] ?? '');

  beforeAll(async () => {
    environment = { ...(await local.environment()), AVATAR_WARM_SIZES: '0', CACHE_MAX_AGE_MS: '0' };
    before = await startService(environment);
    const alice = new AvatarClient(before.url, 'alice');
    version = versionOf(expectStatus(201, await alice.upload(await uniquePng('alice'))));
    keys['master'] = pictureKey('alice', version, 'master.jpeg');
    keys['rendition'] = pictureKey('alice', version, '32.gif');
    await register();
    expectStatus(200, await alice.get(`/${version}/32.gif`));
    while ((await readFile(fileOf('rendition')).catch(() => undefined)) === undefined) await sleep(5);
    after = await startService(environment);
  });
  afterAll(() => Promise.all([before.stop(), after.stop()]));

  const register = async () => {
    const body = JSON.stringify({ emails: [EMAIL] });
    const headers = { 'content-type': 'application/json' };
    const path = '/v1/avatars/alice/aliases';
    expectStatus(200, await send(before.url, { method: 'PUT', path, headers, body }));
  };
  const get = (path: string) => send(after.url, { method: 'GET', path });

  // libvips takes a GIF with another byte for whole: nothing but the checksum tells it from a sound one.
  it('gets a rendition made again', async () => {
    const sound = await readFile(fileOf('rendition'));
    await rot(fileOf('rendition'), 20);
    const { body } = expectStatus(200, await get(`/v1/${keys['rendition'] ?? ''}`));
    expect(body.equals(sound)).toBe(true);
    while (!(await readFile(fileOf('rendition'))).equals(sound)) await sleep(5);
  });

  it('is told apart from an absent alias, which can be registered again', async () => {
    await rot(fileOf('alias'), 3);
    expect(problemOf(await get(`/avatar/${HASH}?d=404`))).toEqual({
      status: 503,
      code: 'manifest_unreadable',
    });
    await register();
    expectStatus(200, await get(`/avatar/${HASH}?d=404`));
  });

  it('never changes what a manifest says, and a change does not start from it', async () => {
    await rot(fileOf('manifest'), 20);
    const unreadable = { status: 503, code: 'manifest_unreadable' };
    const alice = new AvatarClient(after.url, 'alice');
    expect(problemOf(await alice.get())).toEqual(unreadable);
    expect(problemOf(await alice.upload(await uniquePng('bob')))).toEqual(unreadable);
    await after.logged(/"level":50.*manifests\/alice.json.*not those that were stored/);
    await rot(fileOf('manifest'), 20);
    expectStatus(200, await alice.get());
  });

  it('is found out by verify, object by object, and counted by the service', async () => {
    for (const name of ['master', 'alias', 'rendition']) await rot(fileOf(name), 20);
    const { findings } = await reportOf(environment, 'verify');
    expect(findings.map(({ code, where }) => `${code} ${where}`).sort()).toEqual(
      [
        `alias_unreadable ${keys['alias'] ?? ''}`,
        `unreadable_rendition ${keys['rendition'] ?? ''}`,
        `wrong_checksum ${keys['master'] ?? ''}`,
      ].sort(),
    );
    await rot(fileOf('manifest'), 20);
    const [finding] = (await reportOf(environment, 'verify')).findings;
    expect(finding).toMatchObject({ code: 'manifest_unreadable', where: keys['manifest'] });
    const metrics = readMetrics(await (await fetch(`${after.url}/metrics`)).text());
    expect(total(metrics, 'visage_storage_discarded_reads_total')).toBeGreaterThan(2);
  });
});
