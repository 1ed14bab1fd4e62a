import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Answer } from '../http/support/client.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { backends } from '../support/backends.js';
import { type RunningService, startServices } from '../support/service.js';

const STABLE = 'public, max-age=0, must-revalidate';
/** What was read for an answer may be so old, whatever CACHE_MAX_AGE_MS says, if a CDN is to keep it. */
const KEEPABLE_MS = 1000;
const DRAWING = '?default=identicon&size=32&format=png';

/** An avatar as two replicas see it. The first one makes the changes. */
type Seats = readonly [writer: AvatarClient, other: AvatarClient];

/** The right answers about an avatar at some time, by what follows its path. */
type Expected = Map<string, Shown>;

/** An answer to GET; without an ETag, there is no picture. */
interface Shown {
  status: number;
  etag?: string | undefined;
  cacheControl?: string | undefined;
  vary?: string | undefined;
  body?: Buffer;
}

/** What may happen to an avatar. Each gets the versions that were uploaded before, the oldest first. */
const CHANGES: {
  name: string;
  uploads: number;
  deleted?: true;
  change: (writer: AvatarClient, versions: readonly string[]) => Promise<Answer>;
  /** Of the versions: which one is current afterwards; `new` is the one that the change uploads. */
  shown: number | 'new' | undefined;
  erased?: true;
}[] = [
  { name: 'upload', uploads: 0, change: (writer) => upload(writer, 7), shown: 'new' },
  { name: 'replace', uploads: 1, change: (writer) => upload(writer, 7), shown: 'new' },
  { name: 'delete', uploads: 1, change: (writer) => writer.delete(), shown: undefined },
  {
    name: 'restore',
    uploads: 2,
    change: (writer, [first = '']) => writer.restore(first),
    shown: 0,
  },
  {
    name: 'undelete',
    uploads: 1,
    deleted: true,
    change: (writer, [first = '']) => writer.restore(first),
    shown: 0,
  },
  {
    name: 'erase-version',
    uploads: 2,
    change: (writer, [, second = '']) => writer.eraseVersion(second),
    shown: undefined,
  },
  { name: 'erase', uploads: 2, change: (writer) => writer.erase(), shown: undefined, erased: true },
];

const upload = async (client: AvatarClient, number: number) => client.upload(await numbered(number));

describe.each(backends)('two replicas on $name', (backend) => {
  it.each([0, 1000])(
    'agree about every change within CACHE_MAX_AGE_MS=%d, and never go back',
    async (maxAge) => {
      const environment = { ...(await backend.environment()), CACHE_MAX_AGE_MS: String(maxAge) };
      const services = await startServices([environment, environment]);
      try {
        await Promise.all(
          CHANGES.map((change, i) => follow(change, seatsOf(services, change.name, i), maxAge)),
        );
      } finally {
        await Promise.all(services.map((service) => service.stop()));
      }
    },
  );
});

/** Each of both replicas makes half of the changes. */
function seatsOf(services: readonly RunningService[], id: string, i: number): Seats {
  const [first, second] = services.map(({ url }) => new AvatarClient(url, id));
  if (!first || !second) throw new Error('two services were started');
  return i % 2 === 0 ? [first, second] : [second, first];
}

async function follow(
  { uploads, deleted, change, shown, erased }: (typeof CHANGES)[number],
  seats: Seats,
  maxAge: number,
): Promise<void> {
  const [writer] = seats;
  const drawing = shownBy(expectStatus(200, await writer.get(DRAWING)));
  const versions: string[] = [];
  for (let i = 0; i < uploads; i++) versions.push(versionOf(expectStatus(201, await upload(writer, i))));
  if (deleted) expectStatus(204, await writer.delete());
  const before = await expected(writer, versions, deleted ? undefined : versions.at(-1), drawing);
  // Without an age nothing gets hot.
  const times = maxAge === 0 ? 1 : 2;
  for (const seat of seats) for (let time = 0; time < times; time++) await check(seat, before);

  const answer = await change(writer, versions);
  const changedAt = performance.now();
  expect([200, 201, 204]).toContain(answer.status);
  const kept = shown === 'new' ? [...versions, versionOf(answer)] : versions;
  const current = shown === undefined ? undefined : kept[shown === 'new' ? kept.length - 1 : shown];
  const after = await expected(writer, kept, current, drawing, erased);
  // The replica that changed it never shows the state before.
  await check(writer, after, before);
  await Promise.all(seats.map((seat) => watch(seat, before, after, { maxAge, changedAt })));
  for (const seat of seats) for (let time = 0; time < times; time++) await check(seat, after, before);
}

/** The right answers if a version is current. The pictures are taken from immutable URLs. */
async function expected(
  client: AvatarClient,
  versions: readonly string[],
  current: string | undefined,
  drawing: Shown,
  erased = false,
): Promise<Expected> {
  const missing = { status: 404, cacheControl: 'no-store' };
  const of = async (version: string | undefined, name: string) =>
    version === undefined || erased
      ? missing
      : shownBy(expectStatus(200, await client.get(`/${version}/${name}`)));
  const [whole, small] = await Promise.all([of(current, 'master.jpeg'), of(current, '32.png')]);
  const stable = { cacheControl: STABLE, vary: undefined };
  const drawn = { ...drawing, ...stable, vary: 'Sec-CH-Prefers-Color-Scheme' };
  const [first] = versions;
  return new Map<string, Shown>([
    ['', current === undefined ? missing : { ...whole, ...stable, vary: 'Accept' }],
    ['?size=32&format=png', current === undefined ? missing : { ...small, ...stable }],
    [DRAWING, current === undefined ? drawn : { ...small, ...stable }],
    // While nothing is shown, no picture is public.
    ...(first === undefined ? [] : ([[`/${first}/32.png`, await of(current && first, '32.png')]] as const)),
  ]);
}

function shownBy({ status, headers, body }: Answer): Shown {
  const { etag, 'cache-control': cacheControl, vary } = headers;
  return { status, etag, cacheControl, vary, ...(status === 200 && { body }) };
}

/** Asks for everything in every way, also as a client that has what is there now or what was there before. */
async function check(client: AvatarClient, now: Expected, before?: Expected): Promise<void> {
  for (const [suffix, right] of now) {
    const asked: [method: string, etag?: string | undefined][] = [
      ['GET'],
      ['GET', right.etag],
      ['GET', before?.get(suffix)?.etag ?? '"other"'],
      ['HEAD'],
      ['HEAD', right.etag],
    ];
    for (const [method, etag] of asked) {
      const headers = etag === undefined ? {} : { 'if-none-match': etag };
      const askedAt = performance.now();
      const answer = shownBy(await client.send({ method, suffix, headers }));
      const wanted = rightFor(right, method, etag);
      // On a busy machine an answer may take too long for a CDN to keep it.
      const isLate = performance.now() - askedAt > KEEPABLE_MS && answer.cacheControl === 'no-store';
      const name = `${method} ${client.path}${suffix} ${etag ?? ''}`;
      expect([name, answer]).toEqual([name, isLate ? { ...wanted, cacheControl: 'no-store' } : wanted]);
    }
  }
}

function rightFor(right: Shown, method: string, etag: string | undefined): Shown {
  const { body, ...head } = right;
  if (etag !== undefined && etag === right.etag) return { ...head, status: 304 };
  return body ? { ...head, body: method === 'HEAD' ? Buffer.alloc(0) : body } : head;
}

/** Reads until everything is as it should be. Meanwhile it may be as before, but not for long, and not once something is right. */
async function watch(
  client: AvatarClient,
  before: Expected,
  after: Expected,
  { maxAge, changedAt }: { maxAge: number; changedAt: number },
): Promise<void> {
  // The URLs of a new version are right before it is known to be current.
  const changed = [...after].filter(
    ([suffix, right]) => before.has(suffix) && !isSame(before.get(suffix), right),
  );
  let seen = false;
  for (let rights = 0; rights < changed.length;) {
    rights = 0;
    for (const [suffix, right] of changed) {
      const askedAt = performance.now();
      const answer = shownBy(await client.get(suffix));
      const name = `GET ${client.path}${suffix}`;
      if (isSame(answer, right)) {
        seen = true;
        rights++;
        continue;
      }
      expect([name, answer]).toEqual([name, before.get(suffix)]);
      // What is asked after that time has to be right.
      expect([name, seen, askedAt - changedAt > maxAge]).toEqual([name, false, false]);
    }
    if (rights < changed.length) await sleep(10);
  }
}

function isSame(a: Shown | undefined, b: Shown): boolean {
  return a?.status === b.status && a.etag === b.etag && isDeepStrictEqual(a.body, b.body);
}
