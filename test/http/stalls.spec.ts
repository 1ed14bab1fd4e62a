import { backends } from '../support/service.js';
import { FORM, openPart, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { RawConnection, chunk, head } from './support/raw.js';

const DEADLINE_MS = 600;

/** What a busy machine may add to a deadline. */
const SLACK_MS = 1400;

describe.each(backends)('clients that stall on $name', (backend) => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start({
      ...(await backend.environment()),
      UPLOAD_TIMEOUT_MS: String(DEADLINE_MS),
      REQUEST_HEADERS_TIMEOUT_MS: '400',
    });
  });
  afterAll(() => harness.stop());

  const stalled = Buffer.from('\xff\xd8\xff\xe0', 'latin1');
  const part = Buffer.from(`${openPart({ filename: 'a.jpg' })}\xff\xd8`, 'latin1');
  const length = { 'Content-Length': 5000 };
  const chunked = { 'Transfer-Encoding': 'chunked' };

  it.each([
    ['bare, before the first byte', length, Buffer.alloc(0)],
    ['bare', length, stalled],
    ['bare, in chunks', chunked, chunk(stalled)],
    ['a form, before the first byte', { ...FORM, ...length }, Buffer.alloc(0)],
    ['a form in its file', { ...FORM, ...length }, part],
    ['a form in its file, in chunks', { ...FORM, ...chunked }, chunk(part)],
    ['a form in the headers of a part', { ...FORM, ...length }, part.subarray(0, 40)],
  ])('answers 408 in time and closes: %s', async (_, headers, body) => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      const start = performance.now();
      connection.send(head('PUT', path, headers)).send(body);
      const problem = problemOf(await connection.answer(DEADLINE_MS + SLACK_MS));
      expect(problem).toEqual({ status: 408, code: 'upload_timeout' });
      expect(performance.now() - start).toBeGreaterThan(DEADLINE_MS - 50);
      expect(await connection.closes(SLACK_MS)).toBe(true);
    });
  });

  it('does not wait longer for a client that sends a byte at a time', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path, length));
      const drip = setInterval(() => connection.send('x'), 50);
      const problem = problemOf(await connection.answer(DEADLINE_MS + SLACK_MS));
      clearInterval(drip);
      expect(problem.code).toBe('upload_timeout');
      expect(await connection.closes(SLACK_MS)).toBe(true);
    });
  });

  it('cuts off a client that stalls in the headers of its request', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path).slice(0, -4));
      expect(await connection.closes(400 + 2 * SLACK_MS)).toBe(true);
      expect(connection.text()).toMatch(/^HTTP\/1\.1 408 /);
    });
  });
});
