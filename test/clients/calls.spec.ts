import { once } from 'node:events';
import { type IncomingMessage, createServer } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Visage, type VisageError } from '../../clients/typescript/src/index.js';
import { item } from '../support/api-keys.js';
import { numbered } from '../support/avatar-client.js';
import { startLosable } from '../support/away.js';
import { backends } from '../support/backends.js';
import { local } from '../support/local.js';
import { HANG_MS } from '../support/patience.js';
import { listenSomewhere } from '../support/ports.js';
import { type RunningService, startService } from '../support/service.js';
import { until } from '../support/until.js';
import { type Fault, Front } from './front.js';

const KEY = 'app';

/** What a call fails with. */
async function failureOf(call: Promise<unknown>): Promise<VisageError> {
  return call.then(
    (value) => {
      throw new Error(`it did not fail, but answered ${JSON.stringify(value)}`);
    },
    (error: unknown) => error as VisageError,
  );
}

/** Of a proxy that can't reach the service. */
function refusing(status: number, headers: Record<string, string> = {}): Fault {
  return { status, headers: { 'content-type': 'text/html', ...headers }, body: '<h1>Sorry</h1>' };
}

describe('a call of the client', () => {
  let service: RunningService;
  let front: Front;
  let visage: Visage;

  beforeAll(async () => {
    service = await startService({ ...(await local.environment()), API_KEYS: item(KEY, 'admin') });
  });
  afterAll(() => service.stop());

  beforeEach(async () => {
    front = await Front.open(service.url);
    visage = new Visage({ baseUrl: `${front.url}/`, key: KEY });
  });
  afterEach(() => front.close());

  it('is made again after a lost connection, and after a 503 when it is time', async () => {
    front.faults.push('lost', refusing(503), refusing(503, { 'retry-after': '0' }), 'lost answer');
    const { version } = await visage.upload('lost', await numbered(1));
    expect(front.calls).toBe(5);
    expect((await visage.versions('lost')).versions.map((one) => one.version)).toEqual([version]);
  });

  it('waits as long as it is told, or gives up at once if there is not enough time', async () => {
    front.faults.push(refusing(503, { 'retry-after': '1' }));
    const before = performance.now();
    expect(await visage.exists('waits')).toBe(false);
    expect(performance.now() - before).toBeGreaterThan(990);
    const hurried = new Visage({ baseUrl: front.url, timeoutMs: 20_000 });
    const instant = new Date(Date.now() + 3_600_000).toUTCString();
    front.faults.push(refusing(503, { 'retry-after': instant }));
    expect(await failureOf(hurried.exists('waits'))).toMatchObject({
      code: 'unexpected_answer',
      status: 503,
      tries: 1,
    });
  });

  it('says how often it was tried, so that a precondition that failed can be understood', async () => {
    const { version } = await visage.upload('twice', await numbered(1));
    front.faults.push('lost answer');
    const failure = await failureOf(visage.upload('twice', await numbered(2), { ifMatch: version }));
    expect(failure).toMatchObject({ code: 'precondition_failed', status: 412, tries: 2 });
    expect(failure.problem.current).toBe((await visage.info('twice'))?.version);
  });

  it('is made at most five times', async () => {
    front.faults.push(...Array<Fault>(9).fill(refusing(503, { 'retry-after': '0' })));
    expect(await failureOf(visage.info('often'))).toMatchObject({ code: 'unexpected_answer', tries: 5 });
    expect(front.calls).toBe(5);
  });

  it.each([401, 404, 429, 500, 502])('is not made again after a %d of somebody else', async (status) => {
    front.faults.push(refusing(status, { 'retry-after': '0' }));
    const failure = await failureOf(visage.info('else'));
    expect(failure).toMatchObject({ code: 'unexpected_answer', status, forUsers: undefined });
    expect(failure.message).toContain('look at baseUrl');
    expect(front.calls).toBe(1);
  });

  it('takes no page of somebody else for an answer', async () => {
    front.faults.push('lost', refusing(200));
    expect(await failureOf(visage.info('else'))).toMatchObject({
      code: 'unexpected_answer',
      status: 200,
      tries: 2,
    });
  });

  it('ends when its time is over, and when its caller has enough', async () => {
    front.faults.push('silence', 'silence');
    const hurried = new Visage({ baseUrl: front.url, timeoutMs: 300 });
    expect(await failureOf(hurried.info('late'))).toMatchObject({ code: 'timeout', status: undefined });
    const enough = new AbortController();
    const failing = failureOf(visage.info('late', { signal: enough.signal }));
    const reason = new Error('enough');
    enough.abort(reason);
    expect(await failing).toBe(reason);
    expect(await failureOf(visage.info('late', { signal: enough.signal }))).toBe(reason);
  });

  it('says who does not answer', async () => {
    const { url } = front;
    await front.close();
    const nobody = new Visage({ baseUrl: url, timeoutMs: HANG_MS });
    const failure = await failureOf(nobody.info('nobody'));
    expect(failure).toMatchObject({ code: 'no_connection', cause: { message: 'fetch failed' } });
    expect(failure.message).toContain(url);
    front = await Front.open(service.url);
  });

  it('gives the user a text for what is theirs to mend, and for nothing else', async () => {
    const { forUsers, code } = await failureOf(visage.upload('text', Buffer.from('a text')));
    expect([code, forUsers]).toEqual([
      'unsupported_image',
      'This kind of file can’t be used. Choose a JPEG, PNG, WebP or GIF.',
    ]);
    const keyless = new Visage({ baseUrl: front.url });
    expect(await failureOf(keyless.upload('text', await numbered(1)))).toMatchObject({
      code: 'unauthorized',
      status: 401,
      forUsers: undefined,
    });
    expect(await failureOf(visage.get('text', { default: '404' }))).toMatchObject({
      code: 'avatar_not_found',
    });
  });

  it('sends its key with changes, and with no read of a picture', async () => {
    await visage.upload('key', await numbered(1));
    await (await visage.get('key')).arrayBuffer();
    await visage.info('key');
    expect(front.exchanges.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${KEY}`,
      undefined,
      undefined,
    ]);
  });

  it('takes no address that is none of HTTP', () => {
    expect(() => new Visage({ baseUrl: 'visage:3000' })).toThrow('no URL of http');
    expect(() => new Visage({ baseUrl: 'visage' })).toThrow('Invalid URL');
  });

  describe('that uploads', () => {
    const isStored = async (id: string) => (await visage.info(id))?.width;

    it.each([
      ['a Buffer', (bytes: Buffer) => bytes],
      ['an ArrayBuffer', (bytes: Buffer) => Uint8Array.from(bytes).buffer],
      ['a Blob', (bytes: Buffer) => new Blob([bytes])],
      ['a stream of Node', (bytes: Buffer) => Readable.from([bytes.subarray(0, 9), bytes.subarray(9)])],
      ['a stream of the web', (bytes: Buffer) => new Blob([bytes]).stream()],
      ['a request', (bytes: Buffer) => new Request('http://app/', { method: 'POST', body: bytes })],
    ])('takes %s', async (_, make) => {
      await visage.upload('takes', make(await numbered(7)));
      expect(await isStored('takes')).toBe(48);
      await visage.erase('takes');
    });

    it('passes on the form of a browser unread', async () => {
      const form = new FormData();
      form.set('file', new Blob([await numbered(8)]), 'me.png');
      form.set('alt', 'Me');
      const request = new Request('http://app/', { method: 'POST', body: form });
      expect(await visage.upload('form', request)).toMatchObject({ width: 48, alt: 'Me' });
      const read = new Request('http://app/', { method: 'POST', body: await numbered(8) });
      read.body?.getReader();
      await expect(visage.upload('form', read)).rejects.toThrow('has been read already');
      await expect(visage.upload('form', new Request('http://app/'))).rejects.toThrow('that has a body');
    });

    it('does not send a stream twice', async () => {
      front.faults.push('lost');
      expect(await failureOf(visage.upload('once', Readable.from([await numbered(9)])))).toMatchObject({
        code: 'no_connection',
        tries: 1,
      });
      expect(await visage.exists('once')).toBe(false);
    });

    it('blames the source for what it does not give', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield await numbered(9);
        throw new Error('the disk is gone');
      }
      expect(await failureOf(visage.upload('broken', broken()))).toMatchObject({
        code: 'truncated_body',
        cause: { message: 'the disk is gone' },
      });
      expect(await visage.exists('broken')).toBe(false);
    });

    describe('within an application on http', () => {
      /** What the application answers. */
      let answer: (incoming: IncomingMessage) => Promise<unknown>;
      const application = createServer((incoming, outgoing) => {
        answer(incoming).then(
          (value) => outgoing.end(JSON.stringify(value)),
          (error: unknown) => {
            const { status = 500, forUsers } = error as VisageError;
            outgoing.writeHead(status).end(forUsers);
          },
        );
      });
      let url: string;

      beforeAll(async () => {
        url = `http://127.0.0.1:${await listenSomewhere(application)}`;
      });
      afterAll(async () => {
        const closed = once(application, 'close');
        application.close();
        application.closeAllConnections();
        await closed;
      });

      it('passes on what its own user sends', async () => {
        answer = (incoming) => visage.upload('express', incoming);
        const form = new FormData();
        form.set('file', new Blob([await numbered(10)]), 'me.png');
        expect((await fetch(url, { method: 'POST', body: form })).status).toBe(200);
        expect(await isStored('express')).toBe(48);
        expect((await fetch(url, { method: 'POST', body: await numbered(11) })).status).toBe(200);
        expect((await visage.versions('express')).versions).toHaveLength(2);
      });

      it('lets it answer its user what is wrong with the picture', async () => {
        answer = (incoming) => visage.upload('large', incoming);
        const sent = await fetch(url, { method: 'POST', body: Buffer.alloc(5_300_000) });
        expect([sent.status, await sent.text()]).toEqual([
          413,
          'This picture is too large. Choose a smaller one.',
        ]);
      });

      it('says that the request was read before', async () => {
        answer = async (incoming) => {
          await buffer(incoming);
          return visage.upload('read', incoming).catch((error: unknown) => String(error));
        };
        const sent = await fetch(url, { method: 'POST', body: await numbered(12) });
        expect(await sent.text()).toContain('has been read already');
      });
    });
  });
});

describe.each(backends)('the client while the storage is away, on $name', (backend) => {
  it('is refused, and goes on when it is back', async () => {
    const losable = await startLosable(backend, { CACHE_MAX_STALE_MS: '0' });
    const front = await Front.open(losable.service.url);
    try {
      const visage = new Visage({ baseUrl: front.url, timeoutMs: HANG_MS });
      const { version } = await visage.upload('alice', await numbered(1));
      front.exchanges.length = 0;
      await losable.loseStorage();
      const calls = Promise.all([
        visage.info('alice'),
        visage.exists('alice'),
        visage.upload('bob', await numbered(2)),
        visage.remove('carol'),
        visage.setAliases('dave', { emails: ['dave@example.org'] }),
      ]);
      const refused = () => new Set(front.exchanges.map(({ method, url }) => `${method} ${url.pathname}`));
      await until(() => refused().size === 5, 'a refusal of each');
      expect(new Set(front.exchanges.map(({ status }) => status))).toEqual(new Set([503]));
      await losable.regainStorage();
      expect(await calls).toMatchObject([
        { version },
        true,
        { id: 'bob', width: 48 },
        { pending: false },
        { id: 'dave' },
      ]);
    } finally {
      await front.close();
      await losable.stop();
    }
  });
});
