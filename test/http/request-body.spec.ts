import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Settings } from '../../src/config/settings.js';
import { RefusalLog } from '../../src/http/refusal-log.js';
import { answerClientError } from '../../src/server/client-error.js';
import { RequestBody, withDeadline } from '../../src/uploads/request-body.js';
import { UploadReceiver } from '../../src/uploads/upload-receiver.js';
import { listenSomewhere } from '../support/ports.js';
import { problemOf } from './support/client.js';
import { RawConnection, head } from './support/raw.js';

const TIMEOUT_MS = 2000;
const HEADERS_TIMEOUT_MS = 300;

type Exchange = [request: IncomingMessage, response: ServerResponse];

/** A server in the test's own process, so that the test can keep it from reading. */
describe('a body', () => {
  let server: Server;
  let url: string;

  beforeAll(async () => {
    server = createServer({
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 50,
    });
    const refusals = new RefusalLog(pino({ level: 'silent' }));
    server.on('clientError', (error, socket) => {
      answerClientError(error, socket as IncomingMessage['socket'], refusals, 1000);
    });
    url = `http://127.0.0.1:${await listenSomewhere(server)}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Sends the head of an upload, and waits for it to arrive. */
  async function begin(length: number): Promise<[RawConnection, ...Exchange]> {
    const connection = await RawConnection.open(url);
    const arrives = once(server, 'request') as Promise<unknown> as Promise<Exchange>;
    connection.send(head('PUT', '/', { 'Content-Length': length }));
    return [connection, ...(await arrives)];
  }

  const bodyOf = (request: IncomingMessage) =>
    new RequestBody(request, 1e9, () => new Error('too large') as never);

  /** Sends the first half of an upload. @returns also what is received of it within a time */
  async function sendHalf(timeoutMs: number): Promise<[RawConnection, Promise<string>]> {
    const [connection, request] = await begin(8);
    const body = bodyOf(request);
    body.start();
    connection.send('half');
    return [connection, withDeadline(request, body, timeoutMs, () => text(body))];
  }

  it('times out if the client does not send it', async () => {
    const [connection, received] = await sendHalf(TIMEOUT_MS);
    await expect(received).rejects.toMatchObject({ code: 'upload_timeout' });
    connection.close();
  });

  it('is refused as busy if it arrived and the process had no time to read it', async () => {
    const [connection, request] = await begin(1_000_000);
    connection.send(Buffer.alloc(1_000_000));
    const body = bodyOf(request);
    body.start();
    const never = () => new Promise((_, reject) => body.once('error', reject));
    await expect(withDeadline(request, body, 300, never)).rejects.toMatchObject({ code: 'busy' });
    connection.close();
  });

  it('is received if it arrived while the process was too busy to read it', async () => {
    const [connection, received] = await sendHalf(TIMEOUT_MS);
    connection.send('half');
    standStill(1.2 * TIMEOUT_MS);
    expect(await received).toBe('halfhalf');
    connection.close();
  });

  it('is received if it arrived late because the process had much else to do', async () => {
    const [connection, received] = await sendHalf(TIMEOUT_MS);
    await workAlmostAllTheTime(1.3 * TIMEOUT_MS);
    connection.send('half');
    expect(await received).toBe('halfhalf');
    connection.close();
  });

  it('times out if the client does not send it, even if the process has much else to do', async () => {
    const [connection, received] = await sendHalf(300);
    const refused = expect(received).rejects.toMatchObject({ code: 'upload_timeout' });
    await workAlmostAllTheTime(1200);
    await refused;
    connection.close();
  });

  it('is refused before it is read while earlier ones are held up', async () => {
    const settings = Object.assign(new Settings(), {
      uploadSpoolPath: await mkdtemp(join(tmpdir(), 'visage-spool-')),
      uploadTimeoutMs: TIMEOUT_MS,
    });
    const receiver = new UploadReceiver(settings);
    const receive = (...[request, response]: Exchange) =>
      receiver.receive(request, response, Infinity, ({ path }) => readFile(path, 'utf8'));
    const [held, ...first] = await begin(8);
    const [refused, ...second] = await begin(4);
    const received = receive(...first);
    held.send('half');
    standStill(TIMEOUT_MS / 2);
    await expect(receive(...second)).rejects.toMatchObject({ code: 'busy' });
    held.send('half');
    expect(await received).toBe('halfhalf');

    const [taken, ...third] = await begin(4);
    taken.send('more');
    expect(await receive(...third)).toBe('more');
    for (const connection of [held, refused, taken]) connection.close();
  });

  it('belongs to a request whose head arrived in time, even if the process was too busy to read it', async () => {
    const [accepted, connection] = await connect();
    const arrives = once(server, 'request') as Promise<unknown> as Promise<Exchange>;
    connection.send(head('GET', '/'));
    standStill(2 * HEADERS_TIMEOUT_MS);
    const [request, response] = await arrives;
    expect(request.socket).toBe(accepted);
    response.end('answered');
    expect((await connection.answer()).status).toBe(200);
    connection.close();
  });

  it('is not waited for if the head does not arrive in full, however late its beginning was read', async () => {
    const [, connection] = await connect();
    connection.send(head('GET', '/').slice(0, -4));
    standStill(2 * HEADERS_TIMEOUT_MS);
    expect(problemOf(await connection.answer())).toEqual({ status: 408, code: 'bad_request' });
    expect(await connection.closes()).toBe(true);
  });

  /** Connects, and waits until the server has accepted the connection. */
  async function connect(): Promise<[IncomingMessage['socket'], RawConnection]> {
    const accepts = once(server, 'connection') as Promise<[IncomingMessage['socket']]>;
    const connection = await RawConnection.open(url);
    return [(await accepts)[0], connection];
  }
});

/** Leaves the process little time for anything else. */
async function workAlmostAllTheTime(ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    standStill(40);
    await sleep(10);
  }
}

/** Keeps the process busy. Bytes that were sent just before are with the operating system. */
function standStill(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
