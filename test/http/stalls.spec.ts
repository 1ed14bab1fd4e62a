import { EventEmitter, once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Connections } from '../../src/server/connections.js';
import { answerInTurn } from '../../src/server/pipelining.js';
import { local } from '../support/local.js';
import { HANG_MS } from '../support/patience.js';
import { TORTURE } from '../support/programme.js';
import { readMetrics, total } from '../support/scrape.js';
import { FORM, openPart, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { noise } from './support/pictures.js';
import { RawConnection, chunk, head } from './support/raw.js';
import { until } from '../support/until.js';

/** Long enough for the test's own uploads on any machine. `npm run torture -- deadlines` makes it tight. */
const DEADLINE_MS = TORTURE ? 600 : 2000;
const HEADERS_DEADLINE_MS = TORTURE ? 400 : 2000;
const ANSWER_DEADLINE_MS = 1000;

/** More connections than any test opens at once. */
const MAX_CONNECTIONS = 40;

/** More bytes than the system takes for a client that does not read. */
const MORE_THAN_BUFFERS = 16_000_000;

/** What a busy machine may add to a deadline. */
const SLACK_MS = TORTURE ? 1400 : HANG_MS;

const CUT = 'visage_http_connections_cut_total';

type Metrics = ReturnType<typeof readMetrics>;

const TIMED_OUT = { status: 408, code: 'upload_timeout' };

describe('clients that stall', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start({
      ...(await local.environment()),
      UPLOAD_TIMEOUT_MS: String(DEADLINE_MS),
      CONSTANT_REQUEST_HEADERS_TIMEOUT_MS: String(HEADERS_DEADLINE_MS),
      CONSTANT_ANSWER_TIMEOUT_MS: String(ANSWER_DEADLINE_MS),
      CONSTANT_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
    });
  });
  afterAll(() => harness.stop());

  const stalled = Buffer.from('\xff\xd8\xff\xe0', 'latin1');
  const part = Buffer.from(`${openPart({ filename: 'a.jpg' })}\xff\xd8`, 'latin1');
  const length = { 'Content-Length': 5000 };
  const chunked = { 'Transfer-Encoding': 'chunked' };
  const stalls: [where: string, headers: Record<string, string | number>, body: Buffer][] = [
    ['bare, before the first byte', length, Buffer.alloc(0)],
    ['bare', length, stalled],
    ['bare, in chunks', chunked, chunk(stalled)],
    ['a form, before the first byte', { ...FORM, ...length }, Buffer.alloc(0)],
    ['a form in its file', { ...FORM, ...length }, part],
    ['a form in its file, in chunks', { ...FORM, ...chunked }, chunk(part)],
    ['a form in the headers of a part', { ...FORM, ...length }, part.subarray(0, 40)],
  ];

  it('are answered 408 in time and cut off, wherever they stall', async () => {
    await harness.leavesNothing((path) =>
      Promise.all(
        stalls.map(async ([where, headers, body], i) => {
          const connection = await RawConnection.open(harness.service.url);
          const start = performance.now();
          connection.send(head('PUT', `${path}-${i}`, headers)).send(body);
          const problem = problemOf(await connection.answer({ withinMs: DEADLINE_MS + SLACK_MS }));
          expect([where, problem]).toEqual([where, TIMED_OUT]);
          expect(performance.now() - start).toBeGreaterThan(DEADLINE_MS - 50);
          expect([where, await connection.closes(SLACK_MS)]).toEqual([where, true]);
        }),
      ),
    );
  });

  it('get no more time by sending a byte at a time', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path, length));
      const drip = setInterval(() => connection.send('x'), 50);
      try {
        const problem = problemOf(await connection.answer({ withinMs: DEADLINE_MS + SLACK_MS }));
        expect(problem.code).toBe('upload_timeout');
      } finally {
        clearInterval(drip);
      }
      expect(await connection.closes(SLACK_MS)).toBe(true);
    });
  });

  it('are cut off if they stall in the headers of their request', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path).slice(0, -4));
      expect(await connection.closes(HEADERS_DEADLINE_MS + 2 * SLACK_MS)).toBe(true);
      expect(connection.text()).toMatch(/^HTTP\/1\.1 408 /);
    });
  });

  it('are cut off if they take nothing of any kind of answer, and nobody else is', async () => {
    const path = '/v1/avatars/read';
    const body = await noise(1024, 1024).png().toBuffer();
    expect((await harness.put(path, { body })).status).toBe(201);
    // Answers from memory before the framework, by the framework, and as JSON.
    const asked = [head('GET', path), head('GET', path, { Range: 'bytes=0-' }), head('GET', '/docs-json')];
    const patient = await RawConnection.open(harness.service.url);
    for (const request of asked)
      expect((await patient.send(request).answer()).body.length).toBeGreaterThan(0);
    const stalled = await Promise.all(
      asked.map(async (request) => {
        const { length } = (await patient.send(request).answer()).body;
        const connection = await RawConnection.open(harness.service.url);
        return connection.stall().send(request.repeat(Math.ceil(MORE_THAN_BUFFERS / length)));
      }),
    );
    const counted = { reason: 'stalled' };
    const metrics = await metricsOf(patient, (now) => total(now, CUT, counted) === asked.length);
    expect(total(metrics, CUT, counted)).toBe(asked.length);
    for (const connection of stalled) {
      connection.socket.resume();
      expect(await connection.closes()).toBe(true);
    }
    await harness.service.logged(/"stalled":[123],[^\n]*"connections were cut off"/);
    const after = await metricsOf(patient, (now) => total(now, 'visage_http_untaken_answer_bytes') === 0);
    expect(total(after, 'visage_http_untaken_answer_bytes')).toBe(0);
    expect(total(after, CUT)).toBe(asked.length);
    patient.close();
  });

  it('are let in up to a limit; the next is closed unanswered until one leaves', async () => {
    const first = await RawConnection.open(harness.service.url);
    const alone = await metricsOf(first, (now) => total(now, 'visage_http_connections') === 1);
    const refused = { reason: 'refused' };
    const before = total(alone, CUT, refused);
    const others: RawConnection[] = [];
    while (others.length < MAX_CONNECTIONS - 1) others.push(await RawConnection.open(harness.service.url));
    const more = await RawConnection.open(harness.service.url);
    expect(await more.send(head('GET', '/health/live')).closes()).toBe(true);
    expect(more.text()).toBe('');
    others.pop()?.close();
    await metricsOf(first, (now) => total(now, 'visage_http_connections') === MAX_CONNECTIONS - 1);
    const next = await RawConnection.open(harness.service.url);
    expect((await next.send(head('GET', '/health/live')).answer()).status).toBe(200);
    expect(total(await metricsOf(first), CUT, refused) - before).toBe(1);
    for (const connection of [first, next, ...others]) connection.close();
  });
});

describe('a server whose clients read slowly or not at all', () => {
  const MEGABYTE = 1_000_000;
  /** In ms. No test waits for it: the tests set the clock. */
  const TIMEOUT = 1000;
  const pictures = [10, 10, 10, 100].map((size) => Buffer.alloc(size * MEGABYTE));
  let server: Server;
  let connections: Connections;
  let url: string;
  const sockets: Socket[] = [];
  const clients: Socket[] = [];

  beforeEach(async () => {
    const limits = { maxConnections: 100, answerTimeoutMs: TIMEOUT, answerBytes: 25 * MEGABYTE };
    connections = new Connections(limits, pino({ level: 'silent' }));
    server = createServer({ ServerResponse: connections.answers.responseClass() });
    server.on('request', ({ url: path = '' }, response) => {
      const bytes = pictures[Number(path.slice(1))] ?? Buffer.from('small');
      response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
    });
    connections.watch(server);
    server.on('connection', (socket: Socket) => sockets.push(socket));
    url = await listening(server);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  /** Requests a picture without reading it. @returns the client, and its socket at the server, once the answer has begun */
  const stall = async (picture: number) => {
    const before = sockets.length;
    const client = connect(Number(new URL(url).port), '127.0.0.1').pause();
    clients.push(client);
    // Some of them are expected to be reset.
    client.on('error', () => undefined);
    client.write(head('GET', `/${picture}`));
    await until(() => (sockets[before]?.writableLength ?? 0) > 0);
    const [socket] = sockets.slice(before);
    if (!socket) throw new Error('no connection');
    return { client, socket };
  };

  it('cuts off clients that stall, but not those that take some of their answer now and then', async () => {
    const [slow, stalled] = [await stall(3), await stall(3)];
    let now = 0;
    connections.cutStalled(now);
    for (let n = 0; n < 3; n++) {
      await readOn(slow.client, slow.socket);
      now += TIMEOUT / 2;
      connections.cutStalled(now);
      expect([slow.socket.destroyed, stalled.socket.destroyed]).toEqual([false, n > 0]);
    }
    expect(connections.cuts).toEqual({ stalled: 1, memory: 0, refused: 0 });
    connections.cutStalled(now + TIMEOUT);
    expect([slow.socket.destroyed, connections.cuts.stalled]).toEqual([true, 2]);
  });

  it('keeps each picture once for all its readers, and cuts off those that have been reading for longest', async () => {
    const first = await stall(0);
    const other = await stall(1);
    const same = await stall(0);
    expect([connections.answers.bytes, connections.cuts.memory]).toEqual([20 * MEGABYTE, 0]);
    const third = await stall(2);
    expect([first, other, same, third].map(({ socket }) => socket.destroyed)).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect([connections.answers.bytes, connections.cuts.memory]).toEqual([20 * MEGABYTE, 1]);
    const small = await RawConnection.open(url);
    expect((await small.send(head('GET', '/small')).answer()).body.toString()).toBe('small');
    small.close();
    third.client.destroy();
    await until(() => connections.answers.bytes === 10 * MEGABYTE);
    expect(connections.cuts.memory).toBe(1);
  });

  it('sends a picture that is larger than the limit to a client that reads it', async () => {
    const before = await stall(0);
    const { client } = await stall(3);
    expect([before.socket.destroyed, connections.answers.bytes]).toEqual([true, 100 * MEGABYTE]);
    client.resume();
    await until(() => connections.answers.bytes === 0);
    await until(() => client.bytesRead > 100 * MEGABYTE);
    expect(client.destroyed).toBe(false);
  });
});

describe('pipelined requests', () => {
  it('are handled one after the other, and few are read ahead, however many there are', async () => {
    const COUNT = 30_000;
    let [read, inHand, most] = [0, 0, 0];
    const beginning = new EventEmitter();
    const held = once(beginning, 'now');
    const answer = async (response: ServerResponse) => {
      most = Math.max(most, ++inHand);
      await held;
      inHand--;
      response.end('x');
    };
    const server = createServer(
      (_request: IncomingMessage, response: ServerResponse) => void answer(response),
    );
    let cuts = 0;
    answerInTurn(server, () => cuts++);
    server.on('request', () => read++);
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    const client = await RawConnection.open(await listening(server));
    client.send(head('GET', '/').repeat(COUNT));
    await until(() => isPaused(sockets[0]));
    // At most 64 KiB arrive at once.
    expect(read).toBeLessThanOrEqual(65_536 / head('GET', '/').length + 1);
    beginning.emit('now');
    await until(() => read === COUNT && inHand === 0);
    expect([most, cuts]).toEqual([1, 0]);
    client.close();
    server.close();
  });

  it('are limited on all connections together: a client that sends more is cut off', async () => {
    const COUNT = 2000;
    const beginning = new EventEmitter().setMaxListeners(0);
    let [read, answered, begun] = [0, 0, false];
    const server = createServer((_request: IncomingMessage, response: ServerResponse) => {
      const answer = () => {
        if (!response.destroyed) answered++;
        response.end('x');
      };
      if (begun) answer();
      else beginning.once('now', answer);
    });
    const cut: Socket[] = [];
    answerInTurn(server, (socket) => {
      cut.push(socket.destroy());
    });
    server.on('request', () => read++);
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    const url = await listening(server);
    const send = async () => (await RawConnection.open(url)).send(head('GET', '/').repeat(COUNT));
    const clients: RawConnection[] = [];
    while (cut.length === 0) {
      clients.push(await send());
      await until(() => cut.length > 0 || (sockets.length === clients.length && isPaused(sockets.at(-1))));
    }
    expect([cut.length, cut[0] === sockets.at(-1)]).toEqual([1, true]);
    expect(read).toBeGreaterThan(10_000);
    expect(read).toBeLessThan(12_000);
    begun = true;
    beginning.emit('now');
    await until(() => answered === COUNT * (clients.length - 1));
    // Requests of a connection that was cut off do not wait any more.
    clients.push(await send());
    await until(() => answered === COUNT * (clients.length - 1));
    expect(cut).toHaveLength(1);
    for (const client of clients) client.close();
    server.close();
  });
});

function isPaused(socket: Socket | undefined): boolean {
  return socket?.isPaused() === true;
}

/** Scrapes on an open connection. @returns the first scrape that is as it should be, or the last one */
async function metricsOf(
  connection: RawConnection,
  right: (now: Metrics) => boolean = () => true,
): Promise<Metrics> {
  const giveUp = performance.now() + HANG_MS;
  for (;;) {
    const { body } = await connection.send(head('GET', '/metrics')).answer();
    const metrics = readMetrics(body.toString());
    if (right(metrics) || performance.now() > giveUp) return metrics;
    await sleep(20);
  }
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Has a stalled client read until the server can send again, which takes some megabytes here. */
async function readOn(client: Socket, server: Socket): Promise<void> {
  const before = queued(server);
  client.resume();
  await until(() => before - queued(server) > 100_000);
  client.pause();
}

function queued(socket: Socket): number {
  return (socket as unknown as { _handle: { writeQueueSize: number } })._handle.writeQueueSize;
}
