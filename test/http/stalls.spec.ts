import { TORTURE } from '../support/programme.js';
import { backends } from '../support/service.js';
import { FORM, openPart, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { HANG_MS, RawConnection, chunk, head } from './support/raw.js';

/** So long that the gate's own uploads meet it on any machine; `npm run torture -- deadlines` has it tight. */
const DEADLINE_MS = TORTURE ? 600 : 2000;
const HEADERS_DEADLINE_MS = TORTURE ? 400 : 2000;

/** What a busy machine may add to a deadline. */
const SLACK_MS = TORTURE ? 1400 : HANG_MS;

const TIMED_OUT = { status: 408, code: 'upload_timeout' };

describe.each(backends)('clients that stall on $name', (backend) => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start({
      ...(await backend.environment()),
      UPLOAD_TIMEOUT_MS: String(DEADLINE_MS),
      REQUEST_HEADERS_TIMEOUT_MS: String(HEADERS_DEADLINE_MS),
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

  it('are answered 408 in time while they stall, wherever that is, and cut off', async () => {
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

  it('are not waited for longer when they send a byte at a time', async () => {
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

  it('are cut off where they stall in the headers of their request', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path).slice(0, -4));
      expect(await connection.closes(HEADERS_DEADLINE_MS + 2 * SLACK_MS)).toBe(true);
      expect(connection.text()).toMatch(/^HTTP\/1\.1 408 /);
    });
  });
});
