import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reportOf } from '../cli/support/program.js';
import { type Answer, problemOf } from '../http/support/client.js';
import {
  AvatarClient,
  type VersionJson,
  expectStatus,
  jsonOf,
  numbered,
  versionOf,
} from '../support/avatar-client.js';
import { openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { LEGACY, leaveUpload } from '../support/older-service.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';

const HOUR_MS = '3600000';

describeS3('two replicas, one of which trusts its manifests for an hour', () => {
  let proxy: FaultProxy;
  let direct: Environment;
  /** Behind the proxy. It trusts its manifests for an hour, gives presigned URLs, and replays its outbox when it stops. */
  let stale: RunningService;
  let other: RunningService;
  let count = 0;

  beforeAll(async () => {
    direct = { ...(await s3Environment()), CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '200' };
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    const believing = {
      ...behind.environment,
      CACHE_MAX_AGE_MS: HOUR_MS,
      OUTBOX_PATH: await mkdtemp(join(tmpdir(), 'visage-outbox-')),
      CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: HOUR_MS,
      URL_MODE: 'presigned',
    };
    [stale, other] = (await startServices([believing, { ...direct, CACHE_MAX_AGE_MS: '0' }])) as [
      RunningService,
      RunningService,
    ];
  });
  afterEach(() => {
    proxy.clear();
  });
  afterAll(async () => {
    await Promise.all([stale.stop(), other.stop()]);
    await proxy.stop();
  });

  /** One avatar, through each of the two replicas. */
  const avatar = () => {
    const id = `avatar-${++count}`;
    return { id, here: new AvatarClient(stale.url, id), there: new AvatarClient(other.url, id) };
  };
  /** Waits until the breaker lets calls through. An earlier change would go into the outbox too. */
  const resumed = async () => {
    await proxy.resume();
    while ((await avatar().here.get()).status !== 404) await sleep(20);
  };
  const keysOf = async (id: string) => {
    const found: string[] = [];
    for await (const { key } of openBackend(direct).list(`avatars/${id}/`)) found.push(key);
    return found;
  };

  /** An avatar that the other replica erases, or its version, while a rendition for a URL is being stored. */
  const overtaken = async (
    erase: (there: AvatarClient, version: string) => Promise<Answer> = (there) => there.erase(),
  ) => {
    const { id, here, there } = avatar();
    const version = versionOf(expectStatus(201, await here.upload(await numbered(1))));
    const storing = proxy.hold({ operation: 'PutObject', key: /\/32\.webp$/ });
    const asked = here.get('/url?size=32&format=webp');
    const held = await storing;
    expectStatus(200, await erase(there, version));
    return { id, asked, held };
  };

  it('gives no URL of a picture that the other replica erased, and leaves nothing of it', async () => {
    const { id, here, there } = avatar();
    expectStatus(201, await here.upload(await numbered(1)));
    expectStatus(200, await here.get());
    expectStatus(200, await there.erase());
    expect(problemOf(await here.get('/url?size=32&format=webp'))).toEqual({
      status: 404,
      code: 'avatar_not_found',
    });
    expect(await keysOf(id)).toEqual([]);
  });

  it.each<[what: string, erase: Parameters<typeof overtaken>[0]]>([
    ['its avatar', undefined],
    ['its version', (there, version) => there.eraseVersion(version)],
  ])('takes back a rendition if %s was erased while it was being stored', async (_, erase) => {
    const { id, asked, held } = await overtaken(erase);
    held.pass();
    expect(problemOf(await asked)).toEqual({ status: 404, code: 'avatar_not_found' });
    expect(await keysOf(id)).toEqual([]);
  });

  it('takes back an upload whose version was erased before it is known to be there', async () => {
    const { id, here, there } = avatar();
    const committing = proxy.hold({ operation: 'PutObject', key: /^manifests\// });
    const asked = here.upload(await numbered(1));
    const held = await committing;
    const [master = ''] = await keysOf(id);
    const receipt = jsonOf(expectStatus(200, await there.eraseVersion(master.split('/')[2] ?? '')));
    expect(receipt).toMatchObject({ objects: 1 });
    held.pass();
    await asked;
    expect(await there.versions()).toMatchObject({ current: null, versions: [] });
    expect(await keysOf(id)).toEqual([]);
  });

  it('serves the URLs of what the other replica has just uploaded or restored', async () => {
    const { here, there } = avatar();
    expectStatus(404, await here.get());
    const version = versionOf(expectStatus(201, await there.upload(await numbered(1))));
    expectStatus(200, await here.get(`/${version}/16.webp`));
    expectStatus(204, await here.delete());
    expectStatus(404, await here.get(`/${version}/16.webp`));
    expectStatus(200, await there.restore(version));
    expectStatus(200, await here.get(`/${version}/16.webp`));
  });

  it('logs that an erased rendition could not be taken back', async () => {
    const { id, asked, held } = await overtaken();
    const refusal = { type: 'error', status: 403, code: 'AccessDenied' } as const;
    proxy.rule({ operation: 'DeleteObject', fault: refusal });
    held.pass();
    expect(problemOf(await asked)).toEqual({ status: 404, code: 'avatar_not_found' });
    const [left] = await keysOf(id);
    await stale.logged(new RegExp(`${String(left)}.*an erased picture could not be deleted`));
    await openBackend(direct).delete(left ?? '');
  });

  it('takes back a master if its avatar was erased while it was being adopted', async () => {
    const { id, there } = avatar();
    await leaveUpload(direct, id);
    const storing = proxy.hold({ operation: 'PutObject', key: /\/master\./ });
    const adopted = reportOf({ ...direct, STORAGE_S3_ENDPOINT: proxy.url }, 'adopt');
    const held = await storing;
    expectStatus(200, await there.erase());
    held.pass();
    expect(await adopted).toMatchObject({ code: 0, adopted: 0 });
    expect(await keysOf(id)).toEqual([]);
  });

  it('reports avatar_erased for a picture that was erased while it was being imported', async () => {
    const { id, there } = avatar();
    const folder = await mkdtemp(join(tmpdir(), 'visage-import-'));
    await mkdir(join(folder, id));
    await writeFile(join(folder, id, `${LEGACY}.png`), await numbered(1));
    const storing = proxy.hold({ operation: 'PutObject', key: /\/master\./ });
    const imported = reportOf({ ...direct, STORAGE_S3_ENDPOINT: proxy.url }, 'import', folder);
    const held = await storing;
    expectStatus(200, await there.erase());
    held.pass();
    expect(await imported).toMatchObject({ code: 1, findings: [{ code: 'avatar_erased' }] });
    expect(await keysOf(id)).toEqual([]);
  });

  it('erases an upload that waits in the outbox, although the bucket has seen nothing since the last erasure', async () => {
    const { id, here } = avatar();
    expectStatus(201, await here.upload(await numbered(1)));
    const { erasedAt } = jsonOf(expectStatus(200, await here.erase())) as { erasedAt: string };
    await proxy.stop();
    const { uploadedAt } = jsonOf(expectStatus(202, await here.upload(await numbered(2)))) as VersionJson;
    await resumed();
    // Repeated as it was, the first erasure leaves it.
    expect(jsonOf(await here.erase(`&before=${erasedAt}`))).toMatchObject({ erasedAt, objects: 0 });
    expectStatus(200, await here.get());
    const again = jsonOf(expectStatus(200, await here.erase())) as { erasedAt: string };
    expect(again).toMatchObject({ objects: 1, pending: false });
    expect(again.erasedAt >= uploadedAt).toBe(true);
    expectStatus(404, await here.get());
    expect(jsonOf(await here.erase())).toMatchObject({ erasedAt: again.erasedAt, objects: 0 });
    expect(await keysOf(id)).toEqual([]);
  });

  it('writes no manifest that names a missing master when a version is restored from the outbox', async () => {
    const { id, here, there } = avatar();
    await proxy.stop();
    const first = versionOf(expectStatus(202, await here.upload(await numbered(1))));
    expectStatus(202, await here.upload(await numbered(2)));
    await resumed();
    expectStatus(200, await here.restore(first));
    expect(jsonOf(expectStatus(200, await there.get('/info')))).toMatchObject({ version: first });
    expectStatus(200, await there.get());
    expect(await keysOf(id)).toEqual([`avatars/${id}/${first}/master.jpeg`]);
  });
});
