import { Readable } from 'node:stream';
import { local } from '../support/local.js';
import { BOUNDARY, FORM, fileForm, openPart, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { RawConnection, SOCKET_BUFFERS, chunk, head } from './support/raw.js';

const MAX_BYTES = 100_000;
const TOO_LARGE = { status: 413, code: 'upload_too_large' };
const CHUNKED = { 'Transfer-Encoding': 'chunked' };

const PIECE = chunk(Buffer.alloc(64 * 1024, 'x'));

describe('uploads that are too large', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start({
      ...(await local.environment()),
      AVATAR_MAX_SIZE_BYTES: String(MAX_BYTES),
    });
  });
  afterAll(() => harness.stop());

  it.each([MAX_BYTES + 1, 3 * MAX_BYTES, 100 * MAX_BYTES])(
    'refuses %i bytes in every form of body',
    async (size) => {
      const bytes = Buffer.alloc(size, 'x');
      const { headers = {}, body = '' } = fileForm(bytes);
      expect(await harness.refusal({ body: bytes })).toEqual(TOO_LARGE);
      expect(await harness.refusal({ body: Readable.from([bytes]) })).toEqual(TOO_LARGE);
      expect(await harness.refusal({ headers, body })).toEqual(TOO_LARGE);
      expect(await harness.refusal({ headers, body: Readable.from([body]) })).toEqual(TOO_LARGE);
    },
  );

  it('does not refuse a file of exactly the limit as too large', async () => {
    const bytes = Buffer.alloc(MAX_BYTES, 'x');
    for (const outgoing of [{ body: bytes }, fileForm(bytes)]) {
      expect(await harness.refusal(outgoing)).toEqual({ status: 415, code: 'unsupported_image' });
    }
  });

  it.each([
    ['bare', {}, ''],
    ['in a form', FORM, openPart({ filename: 'me.png' })],
    ['in a form before its first boundary', FORM, 'preamble'],
    ['in a form after its last boundary', FORM, `${openPart({ filename: 'a' })}x\r\n--${BOUNDARY}--\r\n`],
    ['in a text field', FORM, openPart({ name: 'crop' })],
    ['in the headers of a part', FORM, `--${BOUNDARY}\r\nContent-Disposition: `],
    ['in an unexpected field', FORM, openPart({ name: 'other', filename: 'a' })],
    ['in a second file', FORM, `${openPart({ filename: 'a' })}x\r\n${openPart({ filename: 'b' })}`],
    ['in a file without a name', FORM, openPart({ filename: '' })],
  ])('cuts off a body that never ends: %s', async (_, headers, start) => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path, { ...headers, ...CHUNKED }));
      if (start !== '') connection.send(chunk(Buffer.from(start)));
      const flooding = connection.flood(PIECE, MAX_BYTES + SOCKET_BUFFERS);
      const problem = problemOf(await connection.answer());
      expect([400, 413]).toContain(problem.status);
      expect(await connection.closes()).toBe(true);
      expect(await flooding).toBeLessThan(MAX_BYTES + SOCKET_BUFFERS);
    });
  });

  it.each([
    ['bare', {}],
    ['in a form', FORM],
  ])('refuses by the Content-Length before a byte has arrived: %s', async (_, headers) => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path, { ...headers, 'Content-Length': 5_000_000_000 }));
      expect(problemOf(await connection.answer())).toEqual(TOO_LARGE);
      expect(await connection.flood(PIECE, SOCKET_BUFFERS)).toBeLessThan(SOCKET_BUFFERS);
      expect(await connection.closes()).toBe(true);
    });
  });
});
