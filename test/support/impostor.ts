import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import type { TestS3 } from './s3.js';

/** What an impostor does wrong. By default it is sound. */
export interface Faults {
  /** While an object is replaced, readers get the etag and metadata of the new one with the bytes of the old one, as versitygw's sidecar does. `to readers`:
   * until somebody has read them, if the old object was being read. */
  lies?: boolean | 'to readers';
  /** Preconditions hold one after the other, but several writers at the same time may all pass. */
  races?: boolean;
  /** Preconditions are ignored. */
  ignoresPreconditions?: boolean;
  /** `opaque`: etags look like MD5 sums and are none, as with SSE-KMS at AWS. */
  etags?: 'md5' | 'opaque';
  /** The etag that writers are told instead of that of their object. */
  answersWithEtag?: string;
  /** What the keys may not do. By default they may do everything that Visage needs. */
  refuses?: Permission[];
  /** The code of the error with which it answers whatever the keys ask for. */
  rejects?: 'NoSuchBucket' | 'InvalidAccessKeyId' | 'SignatureDoesNotMatch';
  /** What anybody may do without keys. By default nothing. */
  lets?: ('list' | 'read' | 'write' | 'delete')[];
  /** The keys may also see other buckets and the policy of this one. */
  isGenerous?: boolean;
  /** How far its clock is ahead, in ms. */
  clockOffsetMs?: number;
}

export type Permission = 'list' | 'read' | 'write' | 'delete';

interface StoredObject {
  etag: string;
  headers: Record<string, string>;
  bytes: Buffer;
  modifiedAt: Date;
  /** Since it was written. */
  reads?: number;
}

export interface Impostor extends TestS3 {
  /** The objects by `/bucket/key`, to look at or to spoil. */
  objects: Map<string, StoredObject>;
  faults: Faults;
  stop: () => Promise<void>;
}

/** How long a lie lasts, in turns of the event loop; and how long it waits for a reader, in ms. */
const TURNS = 20;
const READER_MS = 200;

/** Starts a small S3 server in this process that does things wrong on demand. Sound servers are tried for real. */
export async function startImpostor(faults: Faults = {}): Promise<Impostor> {
  const objects = new Map<string, StoredObject>();
  const server = createServer((request, response) => {
    response.setHeader('Date', new Date(Date.now() + (faults.clockOffsetMs ?? 0)).toUTCString());
    void answer(objects, faults, request, response);
  });
  const listening = once(server, 'listening');
  server.listen(0, '127.0.0.1');
  await listening;
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    endpoints: [endpoint],
    region: 'us-east-1',
    accessKeyId: 'impostor',
    secretAccessKey: 'impostor',
    objects,
    faults,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  objects: Map<string, StoredObject>,
  faults: Faults,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '', 'http://s3');
  const path = decodeURIComponent(url.pathname).replace(/\/$/, '');
  const isBucket = path.lastIndexOf('/') === 0;
  const body = await buffer(request);
  const wanted = permissionFor(request.method ?? '', isBucket);
  const hasKeys = request.headers.authorization !== undefined || url.searchParams.has('X-Amz-Signature');
  const isLet = hasKeys ? !faults.refuses?.includes(wanted) : faults.lets?.some((each) => each === wanted);
  if (hasKeys && faults.rejects !== undefined) {
    fail(response, faults.rejects === 'NoSuchBucket' ? 404 : 403, faults.rejects);
    return;
  }
  if (!isLet) {
    fail(response, 403, 'AccessDenied');
    return;
  }
  if (path === '' || url.searchParams.has('policy')) {
    administer(faults, path, response);
    return;
  }
  if (isBucket && request.method === 'PUT') {
    send(response, 200);
    return;
  }
  if (isBucket && request.method === 'GET') {
    list(objects, `${path}/`, url.searchParams, response);
    return;
  }
  if (isBucket && request.method === 'POST') {
    deleteMany(objects, path, body.toString(), response);
    return;
  }
  if (request.method === 'PUT') return put(objects, faults, path, request, body, response);
  if (request.method === 'DELETE') {
    objects.delete(path);
    send(response, 204);
    return;
  }
  const found = objects.get(path);
  if (!found) {
    fail(response, 404, 'NoSuchKey');
    return;
  }
  found.reads = (found.reads ?? 0) + 1;
  const headers = { ...found.headers, ETag: found.etag, 'Last-Modified': found.modifiedAt.toUTCString() };
  if (request.headers['if-none-match'] === found.etag) {
    send(response, 304, headers);
    return;
  }
  const length = { 'Content-Length': String(found.bytes.length) };
  send(response, 200, { ...headers, ...length }, request.method === 'HEAD' ? '' : found.bytes);
}

async function until(holds: () => boolean): Promise<void> {
  const giveUp = performance.now() + READER_MS;
  while (!holds() && performance.now() < giveUp) await turn();
}

function permissionFor(method: string, isBucket: boolean): Permission {
  if (method === 'PUT') return 'write';
  if (method === 'DELETE' || method === 'POST') return 'delete';
  return isBucket ? 'list' : 'read';
}

/** Answers what Visage never needs. */
function administer({ isGenerous = false }: Faults, path: string, response: ServerResponse): void {
  if (!isGenerous) fail(response, 403, 'AccessDenied');
  else if (path !== '') fail(response, 404, 'NoSuchBucketPolicy');
  else
    send(
      response,
      200,
      {},
      '<ListAllMyBucketsResult><Buckets><Bucket><Name>of-others</Name></Bucket></Buckets></ListAllMyBucketsResult>',
    );
}

async function put(
  objects: Map<string, StoredObject>,
  faults: Faults,
  path: string,
  { headers }: IncomingMessage,
  bytes: Buffer,
  response: ServerResponse,
): Promise<void> {
  const before = objects.get(path);
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers;
  const failed =
    (ifNoneMatch === '*' && before !== undefined) || (ifMatch !== undefined && ifMatch !== before?.etag);
  if (failed && !faults.ignoresPreconditions) {
    fail(response, 412, 'PreconditionFailed');
    return;
  }
  if (faults.races) await turn();
  const kept = Object.entries(headers).filter(
    ([name]) => name.startsWith('x-amz-meta-') || ['content-type', 'cache-control'].includes(name),
  );
  const seed = faults.etags === 'opaque' ? randomUUID() : bytes;
  const object = {
    etag: `"${createHash('md5').update(seed).digest('hex')}"`,
    headers: Object.fromEntries(kept) as Record<string, string>,
    bytes: faults.lies && before ? before.bytes : bytes,
    modifiedAt: new Date(),
    reads: 0,
  };
  objects.set(path, object);
  if (faults.lies === 'to readers' && before?.reads) await until(() => object.reads > 0);
  else if (faults.lies) for (let i = 0; i < TURNS; i++) await turn();
  object.bytes = bytes;
  send(response, 200, { ETag: faults.answersWithEtag ?? object.etag });
}

function list(
  objects: Map<string, StoredObject>,
  bucket: string,
  query: URLSearchParams,
  response: ServerResponse,
): void {
  const prefix = bucket + (query.get('prefix') ?? '');
  const after = query.get('continuation-token') ?? '';
  const paths = [...objects.keys()].filter((path) => path.startsWith(prefix) && path > after).sort();
  const page = paths.slice(0, Number(query.get('max-keys') ?? 1000));
  const contents = page.map((path) => {
    const { bytes, modifiedAt } = objects.get(path) ?? { bytes: '', modifiedAt: new Date() };
    const key = escape(path.slice(bucket.length));
    const time = modifiedAt.toISOString();
    return `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${time}</LastModified></Contents>`;
  });
  const next =
    page.length < paths.length
      ? `<NextContinuationToken>${escape(page.at(-1) ?? '')}</NextContinuationToken>`
      : '';
  const name = `<Name>${bucket.slice(1, -1)}</Name>`;
  send(response, 200, {}, `<ListBucketResult>${name}${contents.join('')}${next}</ListBucketResult>`);
}

function deleteMany(
  objects: Map<string, StoredObject>,
  bucket: string,
  xml: string,
  response: ServerResponse,
): void {
  for (const [, key = ''] of xml.matchAll(/<Key>([^<]*)<\/Key>/g))
    objects.delete(`${bucket}/${unescape(key)}`);
  send(response, 200, {}, '<DeleteResult/>');
}

function fail(response: ServerResponse, status: number, code: string): void {
  send(response, status, {}, `<Error><Code>${code}</Code></Error>`);
}

function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
  body: string | Buffer = '',
): void {
  response.writeHead(status, headers).end(body);
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

function escape(text: string): string {
  return Object.entries(ENTITIES).reduce((escaped, [char, entity]) => escaped.replaceAll(char, entity), text);
}

function unescape(text: string): string {
  return Object.entries(ENTITIES)
    .reverse()
    .reduce((plain, [char, entity]) => plain.replaceAll(entity, char), text);
}
