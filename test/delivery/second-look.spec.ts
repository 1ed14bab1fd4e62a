import sharp from 'sharp';
import { v7 as uuidv7 } from 'uuid';
import { AvatarEvents } from '../../src/avatars/avatar.events.js';
import { AvatarRepository } from '../../src/avatars/avatar.repository.js';
import { ManifestSwap } from '../../src/avatars/manifest-swap.js';
import { PendingChanges } from '../../src/avatars/pending-changes.js';
import { NoOutbox } from '../../src/outbox/no.outbox.js';
import { Settings } from '../../src/config/settings.js';
import { SecondLook } from '../../src/delivery/second-look.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import type { Answer } from '../http/support/client.js';
import { send } from '../http/support/client.js';
import { AvatarClient, type VersionJson, expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { hashEmail } from '../../src/model/alias.js';
import { sha256Hex } from '../../src/model/sha256.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { HANG_MS } from '../support/patience.js';
import { describeS3 } from '../support/s3.js';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, startServices } from '../support/service.js';

interface Uploaded {
  client: AvatarClient;
  version: string;
  hash: string;
  master: string;
}

/** Reads of an avatar that have to load its master, and how they are answered once it is erased. */
const READS: [name: string, path: (avatar: Uploaded) => string, erased: number][] = [
  ['an immutable URL', ({ client, version }) => `${client.path}/${version}/32.webp`, 404],
  ['an immutable URL of an AVIF', ({ client, version }) => `${client.path}/${version}/32.avif`, 404],
  ['the master', ({ client, master }) => `${client.path}/${master}`, 404],
  ['the current picture', ({ client }) => `${client.path}?size=32&default=404`, 404],
  ['the current picture or a drawing', ({ client }) => `${client.path}?size=32&default=mp`, 200],
  ['the picture of a hash', ({ hash }) => `/avatar/${hash}?s=33&d=404`, 404],
  ['the picture of a hash or a drawing', ({ hash }) => `/avatar/${hash}?s=33&d=mp`, 200],
];

describeS3('a picture that is being loaded', () => {
  let proxy: FaultProxy;
  /** What `sure` has read holds for an hour, what `brief` has read for a millisecond. */
  let sure: RunningService;
  let brief: RunningService;
  let elsewhere: RunningService;
  let count = 0;

  beforeAll(async () => {
    const direct = { ...(await s3Environment()), AVATAR_WARM_SIZES: '0' };
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    // No call that is held times out.
    const patient = { CONSTANT_STORAGE_S3_ATTEMPTS: '1', STORAGE_S3_TIMEOUT_MS: String(10 * HANG_MS) };
    const asking = { ...behind.environment, ...patient };
    [sure, brief, elsewhere] = (await startServices([
      { ...asking, CACHE_MAX_AGE_MS: '3600000' },
      { ...asking, CACHE_MAX_AGE_MS: '1' },
      direct,
    ])) as [RunningService, RunningService, RunningService];
  });
  afterEach(() => {
    proxy.clear();
  });
  afterAll(async () => {
    await Promise.all([sure, brief, elsewhere].map((service) => service.stop()));
    await proxy.stop();
  });

  const upload = async (): Promise<Uploaded> => {
    const id = `loaded-${++count}`;
    const client = new AvatarClient(elsewhere.url, id);
    const { version, urls } = jsonOf(
      expectStatus(201, await client.upload(await numbered(count))),
    ) as VersionJson;
    const email = `${id}@example.org`;
    expectStatus(200, await client.setAliases({ emails: [email] }));
    const master = urls['master']?.split('/').slice(-2).join('/') ?? '';
    return { client, version, hash: hashEmail(email)[0] ?? '', master };
  };
  /** Reads, and does something while the master is on its way from the bucket. */
  const during = async (
    { url }: RunningService,
    avatar: Uploaded,
    path: string,
    change: () => Promise<unknown>,
  ): Promise<Answer> => {
    const key = `${avatar.client.path.slice('/v1/'.length)}/${avatar.master}`;
    const asked = proxy.hold({ operation: 'GetObject', key });
    const answer = send(url, { path });
    const reply = await (await asked).commitAndWait();
    await change();
    reply();
    return answer;
  };
  const inMemory = async ({ url }: RunningService) => {
    const metrics = readMetrics((await send(url, { path: '/metrics' })).body.toString());
    return total(metrics, 'visage_cache_entries', { cache: 'pictures' });
  };
  const at = ({ url }: RunningService, { client }: Uploaded) =>
    new AvatarClient(url, client.path.split('/').at(-1) ?? '');

  it.each(READS)(
    'is not shown once its avatar is erased, nor kept in memory: %s',
    async (_, pathOf, status) => {
      const avatar = await upload();
      const before = await inMemory(sure);
      const answer = await during(sure, avatar, pathOf(avatar), async () => {
        expectStatus(200, await at(sure, avatar).erase());
      });
      expect([answer.status, answer.headers['cache-control']]).toEqual([status, 'no-store']);
      expect(answer.headers.etag ?? '').not.toContain(avatar.version);
      expect(await inMemory(sure)).toBe(before);
    },
  );

  it.each(READS)('is not shown once another replica has erased its avatar: %s', async (_, pathOf, status) => {
    const avatar = await upload();
    const answer = await during(brief, avatar, pathOf(avatar), async () => {
      expectStatus(200, await avatar.client.erase());
    });
    expect([answer.status, answer.headers['cache-control']]).toEqual([status, 'no-store']);
    expect(answer.headers.etag ?? '').not.toContain(avatar.version);
  });

  it('is not shown in a sheet once another replica has erased its avatar', async () => {
    const avatar = await upload();
    const id = avatar.client.path.split('/').at(-1) ?? '';
    const path = `/v1/sheets?ids=${id}&size=16&default=404`;
    const sheet = await during(brief, avatar, path, async () => {
      expectStatus(200, await avatar.client.erase());
    });
    const { channels } = await sharp(expectStatus(200, sheet).body).stats();
    expect(channels[3]?.max).toBe(0);
  });

  it.each([
    ['by the same replica', () => sure],
    ['by another replica', () => brief],
  ])('is kept by nobody once it is replaced %s', async (_, reader) => {
    const avatar = await upload();
    const changer = reader() === sure ? at(sure, avatar) : avatar.client;
    const answer = await during(reader(), avatar, `${avatar.client.path}?size=32`, async () => {
      expectStatus(201, await changer.upload(await numbered(1000 + count)));
    });
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
    expect(answer.headers.etag).toContain(avatar.version);
  });

  it('is kept by nobody if the bucket cannot tell any more whether it is erased', async () => {
    const avatar = await upload();
    const path = `${avatar.client.path}/${avatar.version}/32.webp`;
    const answer = await during(brief, avatar, path, () => {
      proxy.rule({ key: /^manifests/, fault: { type: 'error', status: 503, code: 'SlowDown' } });
      return Promise.resolve();
    });
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
  });
});

describe('a drawing in the place of a picture', () => {
  const MAX_AGE_MS = 2000;
  const ID = 'drawn';
  let manifests: ManifestSwap;
  let look: SecondLook;
  beforeEach(() => {
    const settings = Object.assign(new Settings(), { cacheMaxAgeMs: MAX_AGE_MS });
    const store = new MemoryStore();
    const repository = new AvatarRepository(store, new PendingChanges(new NoOutbox()), settings);
    manifests = new ManifestSwap(store, repository, new AvatarEvents(), settings);
    look = new SecondLook(repository);
  });
  /** A read of an avatar, or of an alias, before so many ms. */
  const readBefore = (ms: number, id?: string) => ({
    verified: true,
    tokens: [
      { ...(id !== undefined && { id }), readAt: performance.now() - ms, maxAgeMs: MAX_AGE_MS, gone: false },
    ],
  });
  const upload = async () => {
    const at = new Date().toISOString();
    const picture = {
      source: sha256Hex(ID),
      master: 'jpeg',
      width: 1,
      height: 1,
      animated: false,
      bytes: 1,
    } as const;
    const version = { ...picture, version: uuidv7(), thumbhash: 'AAAA', color: '#000000', uploadedAt: at };
    await manifests.change(ID, () => ({ type: 'publish', at, version }));
  };

  it('may be kept if it was quick', async () => {
    expect(await look.atNothing(readBefore(0, ID))).toBe(true);
    expect(await look.atNothing({ ...readBefore(0, ID), verified: false })).toBe(false);
  });

  it('may be kept if it was slow, and there is no picture still', async () => {
    expect(await look.atNothing(readBefore(MAX_AGE_MS + 1, ID))).toBe(true);
  });

  it('is kept by nobody if there may be a picture by now', async () => {
    expect(await look.atNothing(readBefore(MAX_AGE_MS + 1))).toBe(false);
    await upload();
    expect(await look.atNothing(readBefore(MAX_AGE_MS + 1, ID))).toBe(false);
  });
});
