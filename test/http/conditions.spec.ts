import type { IncomingHttpHeaders } from 'node:http';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, startServices } from '../support/service.js';
import { type Answer, type Outgoing, problemOf, send } from './support/client.js';
import { picture } from './support/pictures.js';

const PAST = 'Thu, 01 Jan 1970 00:00:00 GMT';
const FUTURE = 'Fri, 31 Dec 2100 23:59:59 GMT';

/** What a picture is asked for with, and the answer to a GET: its status, or the first and the last byte of a part. */
type Case = [headers: Record<string, string>, expected: number | [first: number, last: number]];

/** By RFC 9110, sections 13 and 14. @param length in bytes */
function casesFor(etag: string, length: number): Case[] {
  const range = 'bytes=2-9';
  return [
    [{}, 200],
    [{ 'If-None-Match': etag }, 304],
    [{ 'If-None-Match': `W/${etag}` }, 304],
    [{ 'If-None-Match': `"x" , ${etag}` }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"x"' }, 200],
    [{ 'If-None-Match': 'x' }, 200],
    [{ 'If-Match': etag }, 200],
    [{ 'If-Match': `"x" ,${etag}` }, 200],
    [{ 'If-Match': '*' }, 200],
    [{ 'If-Match': `W/${etag}` }, 412],
    [{ 'If-Match': `W/${etag}, "x"` }, 412],
    [{ 'If-Match': '"x"' }, 412],
    [{ 'If-Match': etag.slice(1, -1) }, 412],
    [{ 'If-Match': `x ${etag}` }, 412],
    [{ 'If-Match': '' }, 412],
    [{ 'If-Match': etag, 'If-None-Match': etag }, 304],
    [{ 'If-Match': '"x"', 'If-None-Match': etag }, 412],
    [{ 'If-Match': '*', 'If-None-Match': '"x"' }, 200],
    [{ 'If-Modified-Since': FUTURE }, 200],
    [{ 'If-Modified-Since': FUTURE, 'If-None-Match': '"x"' }, 200],
    [{ 'If-Modified-Since': PAST, 'If-None-Match': etag }, 304],
    [{ 'If-Unmodified-Since': PAST }, 200],
    [{ 'If-Unmodified-Since': PAST, 'If-None-Match': etag }, 304],
    [{ 'If-Unmodified-Since': FUTURE, 'If-Match': '"x"' }, 412],
    [{ Range: range }, [2, 9]],
    [{ Range: 'BYTES=2-9' }, [2, 9]],
    [{ Range: 'Bytes=-5' }, [length - 5, length - 1]],
    [{ Range: 'bytes=5-' }, [5, length - 1]],
    [{ Range: 'bytes=0-0' }, [0, 0]],
    [{ Range: `bytes=0-${'9'.repeat(400)}` }, [0, length - 1]],
    [{ Range: `bytes=-${'9'.repeat(20)}` }, [0, length - 1]],
    [{ Range: `bytes=${length}-` }, 416],
    [{ Range: `bytes=${'9'.repeat(400)}-` }, 416],
    [{ Range: 'bytes=-0' }, 416],
    [{ Range: 'bytes=9-2' }, 200],
    [{ Range: 'bytes=-' }, 200],
    [{ Range: 'bytes=0-1,3-4' }, 200],
    [{ Range: 'lines=2-9' }, 200],
    [{ 'If-Range': etag }, 200],
    [{ Range: range, 'If-Range': etag }, [2, 9]],
    [{ Range: range, 'If-Range': `W/${etag}` }, 200],
    [{ Range: range, 'If-Range': '"x"' }, 200],
    [{ Range: range, 'If-Range': FUTURE }, 200],
    [{ Range: `bytes=${length}-`, 'If-Range': '"x"' }, 200],
    [{ Range: range, 'If-None-Match': etag }, 304],
    [{ Range: range, 'If-None-Match': '"x"' }, [2, 9]],
    [{ Range: `bytes=${length}-`, 'If-None-Match': etag }, 304],
    [{ Range: range, 'If-Match': '"x"' }, 412],
    [{ Range: range, 'If-Match': etag, 'If-Range': etag }, [2, 9]],
    [{ Range: range, 'If-Unmodified-Since': PAST }, [2, 9]],
  ];
}

describe('conditional requests and ranges', () => {
  let services: RunningService[];
  let immutable: string;
  beforeAll(async () => {
    const environment = { ...(await local.environment()), CACHE_MAX_AGE_MS: '3600000' };
    // If each read is logged, no answer is repeated.
    services = await startServices([environment, { ...environment, LOG_LEVEL: 'debug' }]);
    const client = new AvatarClient(services[0]?.url ?? '', 'shown');
    immutable = `shown/${versionOf(expectStatus(201, await client.upload(await picture('png'))))}/48.webp`;
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const paths = () => [
    '/v1/avatars/shown',
    `/v1/avatars/${immutable}`,
    '/v1/avatars/nobody?default=identicon&size=64&format=png',
    `/avatar/${'a'.repeat(32)}?d=retro`,
  ];

  it.each([
    ['repeated', 0],
    ['made', 1],
  ])('are answered as RFC 9110 says, by answers that are %s', async (_, index) => {
    const url = services[index]?.url ?? '';
    const repeated = async () =>
      total(readMetrics(await (await fetch(`${url}/metrics`)).text()), 'visage_http_hot_answers_total', {});
    for (const path of paths()) {
      const plain = expectStatus(200, await send(url, { path }));
      const before = await repeated();
      const cases = casesFor(plain.headers.etag ?? '', plain.body.length);
      for (const [headers, expected] of cases) {
        const [get, head] = ['GET', 'HEAD'].map((method) => ({ method, path, headers })) as [
          Outgoing,
          Outgoing,
        ];
        const [got, headed] = [await send(url, get), await send(url, head)];
        expectAnswer(get, got, plain, expected);
        expectAnswer(head, headed, plain, expected);
        if (got.status === 412) expect(problemOf(got).code).toBe('precondition_failed');
        if (headers['Range'] === undefined) expect(lasting(headed)).toEqual(lasting(got));
      }
      const plainly = cases.filter(([headers]) => !('Range' in headers || 'If-Match' in headers));
      expect((await repeated()) - before).toBe(index === 0 ? 2 * plainly.length : 0);
    }
  });

  it('are for pictures only: without one, the answer is 404', async () => {
    for (const headers of [{ 'If-Match': '*' }, { 'If-None-Match': '*' }, { Range: 'bytes=0-1' }]) {
      const path = '/v1/avatars/nobody?default=404';
      expectStatus(404, await send(services[0]?.url ?? '', { path, headers }));
    }
  });
});

const OF_PICTURES = ['etag', 'cache-control', 'vary', 'content-security-policy', 'x-content-type-options'];
const OF_BODIES = ['content-type', 'content-disposition', 'accept-ranges'];

/** @param plain the answer to a GET without conditions */
function expectAnswer(asked: Outgoing, answer: Answer, plain: Answer, expected: Case[1]): void {
  // Ranges are for GET only: RFC 9110, section 14.2.
  const isHead = asked.method === 'HEAD';
  const wanted = isHead && (typeof expected !== 'number' || expected === 416) ? 200 : expected;
  const [first, last] = typeof wanted === 'number' ? [0, plain.body.length - 1] : wanted;
  const status = typeof wanted === 'number' ? wanted : 206;
  const body = status < 300 ? plain.body.subarray(first, last + 1) : Buffer.alloc(0);
  expect({
    asked,
    status: answer.status,
    body: status < 400 ? answer.body : Buffer.alloc(0),
    // A problem has a type, a length and a Cache-Control of its own.
    headers: picked(answer, [
      ...(status < 400 ? [...OF_PICTURES, ...OF_BODIES, 'content-length'] : ['etag']),
      ...['content-range', 'last-modified'],
    ]),
  }).toEqual({
    asked,
    status,
    body: isHead ? Buffer.alloc(0) : body,
    headers: {
      ...picked(plain, [...(status < 400 ? OF_PICTURES : []), ...(status < 300 ? OF_BODIES : [])]),
      ...(status < 300 && { 'content-length': String(body.length) }),
      ...(status === 206 && { 'content-range': `bytes ${first}-${last}/${plain.body.length}` }),
      ...(status === 416 && { 'content-range': `bytes */${plain.body.length}` }),
    },
  });
  if (isHead && status >= 400) expect(answer.body.length).toBe(0);
}

function picked({ headers }: Answer, names: readonly string[]): IncomingHttpHeaders {
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

/** Without what differs from one answer to the next. */
function lasting({ headers }: Answer): IncomingHttpHeaders {
  return { ...headers, date: undefined, 'x-request-id': undefined };
}
