import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { statusOf } from '../../src/storage/s3/s3-errors.js';
import { type TestS3, s3Client } from './s3.js';

/** How a server wants the etag of an If-Match written. Sound ones take one of both, or both. */
export type Spelling = 'quoted' | 'unquoted';

export interface Dialect {
  endpoint: string;
  stop: () => Promise<void>;
}

/** The real server as one that takes one spelling only, whichever it takes itself. */
export async function startDialect(s3: TestS3, spelling: Spelling): Promise<Dialect> {
  const client = s3Client(s3);
  const server = createServer((incoming, response) => {
    const ifMatch = incoming.headers['if-match'];
    if (ifMatch === undefined) pass(s3.endpoint, incoming, response);
    else if (ifMatch.startsWith('"') !== (spelling === 'quoted')) fail(response, 412, 'PreconditionFailed');
    else void putAnew(client, ifMatch, incoming, response);
  });
  const listening = once(server, 'listening');
  server.listen(0, '127.0.0.1');
  await listening;
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      client.destroy();
    },
  };
}

function pass(endpoint: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { hostname, port } = new URL(endpoint);
  const { method, url: path, rawHeaders: headers } = incoming;
  const outgoing = request({ hostname, port, method, path, headers, setHost: false, agent: false });
  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.rawHeaders);
    answer.pipe(response);
  });
  outgoing.on('error', () => incoming.socket.destroy());
  incoming.pipe(outgoing);
}

/** The signature covers If-Match: in the other spelling the write is another request. */
async function putAnew(
  client: S3Client,
  ifMatch: string,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, bucket = '', ...segments] = new URL(incoming.url ?? '', 'http://s3').pathname.split('/');
  const bare = ifMatch.replaceAll('"', '');
  const put = {
    Bucket: bucket,
    Key: decodeURIComponent(segments.join('/')),
    Metadata: metadataOf(incoming),
    ContentType: incoming.headers['content-type'],
    Body: await buffer(incoming),
  };
  try {
    const { ETag: etag = '' } = await client
      .send(new PutObjectCommand({ ...put, IfMatch: `"${bare}"` }))
      .catch((error: unknown) => {
        if (statusOf(error) !== 412) throw error;
        return client.send(new PutObjectCommand({ ...put, IfMatch: bare }));
      });
    response.writeHead(200, { ETag: etag }).end();
  } catch (error) {
    fail(response, statusOf(error) ?? 500, error instanceof Error ? error.name : 'InternalError');
  }
}

function metadataOf({ headers }: IncomingMessage): Record<string, string> {
  const prefix = 'x-amz-meta-';
  const own = Object.entries(headers).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), String(value)]));
}

function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'Content-Type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`);
}
