import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { StorageRefused, StorageUnavailable } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { bucketBehindProxy } from '../support/bucket.js';
import { listenSomewhere } from '../support/ports.js';
import { describeS3 } from '../support/s3.js';

describeS3('deleting many objects of a bucket', () => {
  const { proxy, open } = bucketBehindProxy();
  const keysOf = (count: number) => Array.from({ length: count }, (_, i) => `many/${i}`);
  const sent = () => proxy().seen.map(({ operation }) => operation);
  const left = async (store: S3Store) => {
    const keys = [];
    for await (const { key } of store.list('many/')) keys.push(key);
    return keys;
  };

  it('takes one call for 1000 keys', async () => {
    const store = open();
    for (const key of keysOf(3)) await store.store(key, Buffer.from(key));
    proxy().clear();
    await store.deleteMany(keysOf(1000));
    expect(sent()).toEqual(['DeleteObjects']);
    await store.deleteMany(keysOf(1001));
    expect(sent()).toEqual(['DeleteObjects', 'DeleteObjects', 'DeleteObject']);
    expect(await left(store)).toEqual([]);
  });

  it.each([
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
    [400, 'MalformedPOSTRequest'],
  ])('deletes one by one where the server answers %i, and remembers that', async (status, code) => {
    const store = open();
    for (const key of keysOf(3)) await store.store(key, Buffer.from(key));
    proxy().clear();
    proxy().rule({ operation: 'DeleteObjects', fault: { type: 'error', status, code } });
    await store.deleteMany(keysOf(3));
    await store.deleteMany(keysOf(3));
    expect(proxy().count({ operation: 'DeleteObjects' })).toBe(1);
    expect(proxy().count({ operation: 'DeleteObject' })).toBe(6);
    expect(await left(store)).toEqual([]);
  });

  it('goes on with batches after the server refused everything', async () => {
    const store = open();
    proxy().rule({ fault: { type: 'error', status: 403, code: 'AccessDenied' } });
    await expect(store.deleteMany(keysOf(20))).rejects.toBeInstanceOf(StorageRefused);
    // It does not try all the others.
    expect(sent()).toEqual(['DeleteObjects', 'DeleteObject']);
    proxy().clear();
    await store.deleteMany(keysOf(20));
    expect(sent()).toEqual(['DeleteObjects']);
  });

  it('does not take an outage for a server that knows no batches', async () => {
    const store = open();
    proxy().rule({ operation: 'DeleteObjects', fault: { type: 'error', status: 503, code: 'SlowDown' } });
    await expect(store.deleteMany(keysOf(3))).rejects.toBeInstanceOf(StorageUnavailable);
    expect(proxy().count({ operation: 'DeleteObject' })).toBe(0);
  });

  it.each([
    ['is cut off', { type: 'truncated' } as const],
    ['is an error with the status 200', { type: 'error', status: 200, code: 'InternalError' } as const],
  ])('fails if the answer %s', async (_, fault) => {
    proxy().rule({ operation: 'DeleteObjects', fault });
    await expect(open().deleteMany(keysOf(3))).rejects.toBeInstanceOf(StorageUnavailable);
  });
});

describe('a batch of which the server deletes only a part', () => {
  /** Refuses to delete `kept`, alone or in a batch. */
  let server: Server;
  const requests: string[] = [];

  beforeAll(() => {
    server = createServer((request, response) => {
      void buffer(request).then((body) => {
        const keys = [...body.toString().matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key);
        requests.push(`${String(request.method)} ${keys.join() || String(request.url).split('?')[0]}`);
        if (request.method === 'POST') {
          const results = keys.map((key) =>
            key === 'kept'
              ? `<Error><Key>${key}</Key><Code>AccessDenied</Code><Message>No.</Message></Error>`
              : `<Deleted><Key>${key}</Key></Deleted>`,
          );
          const xmlns = 'http://s3.amazonaws.com/doc/2006-03-01/';
          response.end(`<DeleteResult xmlns="${xmlns}">${results.join('')}</DeleteResult>`);
        } else {
          response.statusCode = 403;
          response.end('<Error><Code>AccessDenied</Code><Message>No.</Message></Error>');
        }
      });
    });
  });
  afterAll(async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  });

  it('fails with the reason for the rest', async () => {
    const store = new S3Store({
      bucket: 'bucket',
      region: 'us-east-1',
      endpoint: `http://127.0.0.1:${await listenSomewhere(server)}`,
      usePathStyle: true,
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      timeoutMs: 60_000,
      attempts: 1,
    });
    const failure = store.deleteMany(['a', 'kept', 'b']);
    await expect(failure).rejects.toBeInstanceOf(StorageRefused);
    const { cause } = (await failure.catch((error: unknown) => error)) as { cause: Error };
    expect(cause.message).toContain('AccessDenied');
    expect(requests).toEqual(['POST a,kept,b', 'DELETE /bucket/kept']);
  });
});
