import {
  ObjectDamaged,
  type ObjectStore,
  PreconditionFailed,
  StorageRefused,
  StorageUnavailable,
} from '../../../src/storage/object-store.js';
import type { Spelling } from '../../support/dialect.js';
import type { Rule } from '../../support/fault-proxy.js';

/** The bytes of an object before a call, and those of a write. Small, because the test server keeps everything in memory. */
export const OLD = Buffer.alloc(20_000, 'old');
export const NEW = Buffer.alloc(30_000, 'new');

/** The number of keys on one page of a listing: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export const PAGE = 1000;
export const PAGED = Array.from({ length: PAGE + 1 }, (_, i) => `pages/${String(i).padStart(4, '0')}`);

export interface Subject {
  /** The driver behind the proxy. */
  store: ObjectStore;
  /** The same bucket without a proxy. */
  clean: ObjectStore;
  /** The key of an object that holds OLD. The key `<key>-new` is free. */
  key: string;
  etag: string;
}

/** One request of one operation of the driver. */
export interface Call {
  name: string;
  /** Which of the operation's requests it is. */
  request: Pick<Rule, 'operation' | 'key' | 'skip'>;
  kind: 'store' | 'conditional store' | 'read' | 'list' | 'delete' | 'probe';
  /** If the server refuses this request, others do the same. */
  hasAnotherWay?: true;
  /** The driver has to be new, because it sends this request only once. */
  unlearned?: true;
  /** The etag spelling that the server must want for this request to be sent. */
  spelling?: Spelling;
  /** Makes the call. @returns whether its result is true */
  run(subject: Subject): Promise<boolean>;
}

async function wrote({ clean }: Subject, key: string, answered: string): Promise<boolean> {
  const object = await clean.get(key);
  return (
    object !== undefined && object !== 'unchanged' && object.etag === answered && object.bytes.equals(NEW)
  );
}

async function checks({ store }: Subject): Promise<boolean> {
  return (await store.check()).conditionalWrites === 'honoured';
}

async function lists({ store }: Subject): Promise<boolean> {
  const keys: string[] = [];
  for await (const { key } of store.list('pages/')) keys.push(key);
  return keys.join() === PAGED.join();
}

export const CALLS: Call[] = [
  {
    name: 'store',
    request: { operation: 'PutObject' },
    kind: 'store',
    run: async (subject) => {
      const { etag } = await subject.store.store(subject.key, NEW);
      return wrote(subject, subject.key, etag);
    },
  },
  {
    name: 'store ifAbsent',
    request: { operation: 'PutObject' },
    kind: 'conditional store',
    run: async (subject) => {
      const key = `${subject.key}-new`;
      const { etag } = await subject.store.store(key, NEW, { ifAbsent: true });
      return wrote(subject, key, etag);
    },
  },
  {
    name: 'store ifMatch',
    request: { operation: 'PutObject' },
    kind: 'conditional store',
    run: async (subject) => {
      const { etag } = await subject.store.store(subject.key, NEW, { ifMatch: subject.etag });
      return wrote(subject, subject.key, etag);
    },
  },
  {
    name: 'get',
    request: { operation: 'GetObject' },
    kind: 'read',
    run: async ({ store, key, etag }) => {
      const object = await store.get(key);
      return (
        object !== undefined && object !== 'unchanged' && object.bytes.equals(OLD) && object.etag === etag
      );
    },
  },
  {
    name: 'get, absent',
    request: { operation: 'GetObject' },
    kind: 'read',
    run: async ({ store, key }) => (await store.get(`${key}-new`)) === undefined,
  },
  {
    name: 'get ifNoneMatch',
    request: { operation: 'GetObject' },
    kind: 'read',
    run: async ({ store, key, etag }) => (await store.get(key, { ifNoneMatch: etag })) === 'unchanged',
  },
  {
    name: 'exists',
    request: { operation: 'HeadObject' },
    kind: 'read',
    run: ({ store, key }) => store.exists(key),
  },
  {
    name: 'exists, absent: the bucket',
    request: { operation: 'ListObjectsV2' },
    kind: 'list',
    run: async ({ store, key }) => !(await store.exists(`${key}-new`)),
  },
  {
    name: 'delete',
    request: { operation: 'DeleteObject' },
    kind: 'delete',
    run: async ({ store, clean, key }) => {
      await store.delete(key);
      return !(await clean.exists(key));
    },
  },
  {
    name: 'delete many',
    request: { operation: 'DeleteObjects' },
    kind: 'delete',
    hasAnotherWay: true,
    run: async ({ store, clean, key }) => {
      await store.deleteMany([key, `${key}-new`]);
      return !(await clean.exists(key));
    },
  },
  { name: 'list, page 1', request: { operation: 'ListObjectsV2' }, kind: 'list', run: lists },
  { name: 'list, page 2', request: { operation: 'ListObjectsV2', skip: 1 }, kind: 'list', run: lists },
  { name: 'check: the bucket', request: { operation: 'ListObjectsV2' }, kind: 'list', run: checks },
  ...[1, 2, 3, 4, 5].map((nth): Call => ({
    name: `check: write ${nth} of the probe`,
    request: { operation: 'PutObject', key: /^probes\//, skip: nth - 1 },
    kind: 'probe',
    unlearned: true,
    // Only asked where quoted etags were refused.
    ...(nth === 5 && { spelling: 'unquoted' }),
    run: checks,
  })),
  {
    name: 'check: the removal of the probe',
    request: { operation: 'DeleteObject', key: /^probes\// },
    kind: 'delete',
    unlearned: true,
    run: checks,
  },
];

export type Outcome = 'ok' | 'unavailable' | 'refused' | 'precondition failed' | 'damaged';

/** The outcome of a call, in one word. Anything that the port does not promise is given in full. */
export async function outcomeOf(call: () => Promise<boolean>): Promise<string> {
  try {
    return (await call()) ? 'ok' : 'an untrue answer';
  } catch (error) {
    if (error instanceof StorageUnavailable) return 'unavailable';
    if (error instanceof StorageRefused) return 'refused';
    if (error instanceof ObjectDamaged) return 'damaged';
    if (error instanceof PreconditionFailed) return 'precondition failed';
    return String(error);
  }
}
