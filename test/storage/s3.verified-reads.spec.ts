import { ObjectDamaged, type ObjectStore, StorageUnavailable } from '../../src/storage/object-store.js';
import { Bucket } from '../../src/storage/s3/bucket.js';
import { ServerDialect } from '../../src/storage/s3/dialect.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { type Faults, type Impostor, startImpostor } from '../support/impostor.js';
import { storeOptions } from '../support/s3.js';

const SERVERS: [string, Faults][] = [
  ['an in-process server', {}],
  ['one that mixes writes up', { lies: true }],
  ['one whose etags are no MD5 sums', { etags: 'opaque' }],
  ['one that does both', { lies: true, etags: 'opaque' }],
];

describe.each(SERVERS)('S3: %s', (name, faults) => {
  let server: Impostor;
  beforeAll(async () => {
    server = await startImpostor(faults);
  });
  afterAll(() => server.stop());
  describeObjectStore(name, () => Promise.resolve(new S3Store(storeOptions(server, 'bucket'))));
});

const LONG_AGO = new Date('2020-01-01');

describe('a read that does not match', () => {
  let server: Impostor;
  let discarded: string[];
  let store: ObjectStore;
  const bytes = Buffer.from('bytes');

  beforeEach(async () => {
    server = await startImpostor();
    open();
  });
  afterEach(() => server.stop());

  const open = (timeoutMs = 240_000) => {
    discarded = [];
    const onDiscardedRead = (key: string) => discarded.push(key);
    store = new S3Store(storeOptions(server, 'bucket', { timeoutMs, onDiscardedRead }));
  };
  const object = (key: string) => {
    const found = server.objects.get(`/bucket/${key}`);
    if (!found) throw new Error(`no ${key}`);
    return found;
  };

  it('is repeated until it does, and counted', async () => {
    server.faults.lies = true;
    await store.store('a/b', bytes);
    const writing = store.store('a/b', Buffer.from('other'));
    const seen = new Set<string>();
    const done = { yet: false };
    void writing.finally(() => (done.yet = true));
    while (!done.yet) {
      const read = await store.get('a/b');
      if (read === undefined || read === 'unchanged') throw new Error('not there');
      seen.add(`${read.etag} ${read.bytes.toString()}`);
    }
    const { etag } = await writing;
    expect([...seen].filter((each) => each.startsWith(etag) !== each.endsWith('other'))).toEqual([]);
    expect(new Set(discarded)).toEqual(new Set(['a/b']));
  });

  it('is repeated until the deadline if the server never tells the truth', async () => {
    await store.store('a/b', bytes);
    open(400);
    const spoiled = object('a/b');
    let reads = 0;
    Object.defineProperty(spoiled, 'bytes', { get: () => Buffer.from(`other bytes ${reads++}`) });
    await expect(store.get('a/b')).rejects.toThrow(StorageUnavailable);
    expect(reads).toBeGreaterThan(2);
  });

  it.each(['md5', 'opaque'] as const)(
    'ends as damage if the server repeats it while nobody writes: etags are %s',
    async (etags) => {
      server.faults.etags = etags;
      await store.store('a/b', bytes, { ifAbsent: true });
      Object.assign(object('a/b'), { bytes: Buffer.from('bytEs'), modifiedAt: LONG_AGO });
      await expect(store.get('a/b')).rejects.toThrow(ObjectDamaged);
      expect(discarded.length).toBeGreaterThan(2);
      await expect(store.get('a/b')).rejects.toThrow(ObjectDamaged);
      await store.store('a/b', bytes);
      expect(await store.get('a/b')).toMatchObject({ bytes });
    },
  );

  it('is damage at the deadline if it was always the same, however young the object is', async () => {
    await store.store('a/b', bytes);
    open(400);
    object('a/b').bytes = Buffer.from('bytEs');
    await expect(store.get('a/b')).rejects.toThrow(ObjectDamaged);
    const before = discarded.length;
    await expect(store.get('a/b')).rejects.toThrow(ObjectDamaged);
    expect(discarded.length).toBe(before + 1);
  });

  it('is not asked for again and again once the etags of a bucket are no MD5 sums any more', async () => {
    const dialect = new ServerDialect(new Bucket('bucket', storeOptions(server, 'bucket')), 0);
    expect(await dialect.etags()).toBe('md5');
    server.faults.etags = 'opaque';
    expect(await dialect.etags()).toBe('md5');
    expect(await dialect.etagsNow()).toBe('opaque');
    expect(await dialect.etags()).toBe('opaque');
  });

  it('is accepted if only the etag is strange, and the bytes are those that we stored', async () => {
    await store.store('a/b', bytes, { ifAbsent: true });
    Object.assign(object('a/b'), { etag: '"00000000000000000000000000000000"', modifiedAt: LONG_AGO });
    expect(await store.get('a/b')).toMatchObject({ bytes, etag: '"00000000000000000000000000000000"' });
  });

  it.each<[string, string, Record<string, string>]>([
    ['a multipart upload', '"9b2cf535f27731c974343645a3985328-2"', {}],
    [
      'encryption with a key of KMS',
      '"00000000000000000000000000000000"',
      { 'x-amz-server-side-encryption': 'aws:kms' },
    ],
  ])('is not expected of an object that others stored by %s', async (_, etag, headers) => {
    await store.check();
    server.objects.set('/bucket/a/b', { etag, headers, bytes, modifiedAt: new Date() });
    expect(await store.get('a/b')).toMatchObject({ bytes, etag });
    expect(discarded).toEqual([]);
  });

  it('is not the base of a swap: the etag of a write is that of its own bytes', async () => {
    const { etag } = await store.store('a/b', bytes, { ifAbsent: true });
    const stored = object('a/b');
    // As if the server looked the etag up after another writer had replaced the object.
    server.faults.answersWithEtag = '"00000000000000000000000000000000"';
    expect(await store.store('a/b', bytes, { ifMatch: stored.etag })).toEqual({ etag });
  });
});
