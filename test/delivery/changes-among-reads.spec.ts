import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, send } from '../http/support/client.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { backends } from '../support/backends.js';
import { SEED, TORTURE } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { type RunningService, startServices } from '../support/service.js';

/** CACHE_MAX_AGE_MS of each replica. */
const AGES = [1000, 0];
const READERS = 16;
const AVATARS = 6;
/** Readers and writers wait for each other, so that there are so many reads for each change on any machine. */
const READS_PER_CHANGE = 20;
const CHANGES = TORTURE ? 5000 : 30;

const QUERIES = [
  '',
  '?size=32&format=png',
  '?size=32',
  '?format=webp',
  '?default=identicon&size=16&format=png',
  '?default=404',
];

/** What there is of an avatar after a change. The changes of an avatar are made one after another. */
interface State {
  shown: string | undefined;
  /** The versions that can be restored. */
  kept: readonly string[];
  erased: readonly string[];
  /** Of the change. */
  replica: number;
  startedAt: number;
  endedAt: number;
}

/** A read and what it tells: which version is shown, or whether a version is there. */
interface Read {
  replica: number;
  url: string;
  startedAt: number;
  endedAt: number;
  fits: (state: State) => boolean;
  told: string;
}

describe.each(backends)('reads from two replicas on $name while avatars change', (backend) => {
  const agent = new Agent({ keepAlive: true, maxSockets: READERS });
  let services: RunningService[];

  beforeAll(async () => {
    const environment = { ...(await backend.environment()), AVATAR_HISTORY: '1000' };
    services = await startServices(AGES.map((age) => ({ ...environment, CACHE_MAX_AGE_MS: String(age) })));
  });
  afterAll(async () => {
    agent.destroy();
    await Promise.all(services.map((service) => service.stop()));
  });

  it('never show what was before something that was seen', async () => {
    const random = randoms(SEED);
    const oneOf = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
    const avatars = Array.from({ length: AVATARS }, (_, i) => new Avatar(`changing-${i}`, services, i));
    for (const avatar of avatars) await avatar.begin();
    /** The bytes of each ETag: they never change. */
    const bytes = new Map<string, Buffer>();
    let reads = 0;
    let begun = 0;
    let changes = 0;

    const read = async () => {
      const avatar = oneOf(avatars);
      const replica = oneOf([...services.keys()]);
      const { path, version } = avatar.choose(oneOf, random());
      const headers = {
        ...(random() < 0.5 && { accept: 'image/webp' }),
        ...(random() < 0.3 && { 'if-none-match': oneOf([avatar.lastEtag, '"other"']) }),
      };
      const startedAt = performance.now();
      const method = random() < 0.2 ? 'HEAD' : 'GET';
      const answer = await send(services[replica]?.url ?? '', { method, path, headers, agent });
      const endedAt = performance.now();
      const { etag } = answer.headers;
      if (etag !== undefined) avatar.lastEtag = etag;
      if (answer.status === 200 && method === 'GET') {
        const known = bytes.get(etag ?? '') ?? answer.body;
        expect([path, etag, known.equals(answer.body)]).toEqual([path, etag, true]);
        bytes.set(etag ?? '', known);
      }
      avatar.reads.push({
        ...{ replica, startedAt, endedAt, url: `${method} ${path}` },
        ...told(answer, version),
      });
      reads++;
    };
    const reader = async () => {
      while (changes < CHANGES) {
        if (reads > (changes + 2) * READS_PER_CHANGE) await sleep(1);
        else await read();
      }
    };
    const writer = async () => {
      while (begun < CHANGES) {
        if (reads < begun * READS_PER_CHANGE) {
          await sleep(1);
          continue;
        }
        await oneOf(avatars).change(oneOf([...services.keys()]), random(), ++begun);
        changes++;
      }
    };
    await Promise.all([...Array.from({ length: READERS }, reader), writer(), writer()]);
    expect(avatars.flatMap((avatar) => avatar.contradictions())).toEqual([]);
  });
});

/** What an answer tells about a state. @param version the one that was asked for; undefined: the current one */
function told({ status, headers }: Answer, version: string | undefined): Pick<Read, 'fits' | 'told'> {
  if (![200, 304, 404].includes(status)) throw new Error(`${status}`);
  if (version !== undefined) {
    // It may be there already before it is known to be current. While nothing is shown, no picture is public.
    const isGone = status === 404;
    return {
      fits: ({ erased, shown }) => (shown === undefined || erased.includes(version)) === isGone,
      told: `${version} is ${isGone ? 'gone' : 'there'}`,
    };
  }
  const [, seen] = /^"([\da-f-]{36})\//.exec(headers.etag ?? '') ?? [];
  return { fits: ({ shown }) => shown === seen, told: `${seen ?? 'nothing'} is current` };
}

/** An avatar, what happened to it, and what was read of it. */
class Avatar {
  readonly states: State[] = [];
  readonly reads: Read[] = [];
  lastEtag = '"none"';
  private readonly hash: string;
  private readonly uploaded: string[] = [];
  private changing: Promise<void> = Promise.resolve();

  constructor(
    private readonly id: string,
    private readonly services: readonly RunningService[],
    private readonly number: number,
  ) {
    this.hash = createHash('md5').update(`${id}@example.org`).digest('hex');
  }

  async begin(): Promise<void> {
    await this.change(0, 1, 0);
    expectStatus(200, await this.client(0).setAliases({ hashes: [this.hash] }));
  }

  /** Chooses something to read. */
  choose(oneOf: <T>(values: readonly T[]) => T, dice: number): { path: string; version?: string } {
    const base = `/v1/avatars/${this.id}`;
    if (dice < 0.7) return { path: `${base}${oneOf(QUERIES)}` };
    // An erasure takes the hash away, too.
    if (dice < 0.85 && !this.mayBeErased) return { path: `/avatar/${this.hash}?s=20&d=identicon` };
    const version = oneOf(this.uploaded);
    return { path: `${base}/${version}/${oneOf(['32.webp', '16.png', 'master.jpeg'])}`, version };
  }

  /** Makes a change after those before it. */
  change(replica: number, dice: number, number: number): Promise<void> {
    return (this.changing = this.changing.then(() => this.changeNow(replica, dice, number)));
  }

  /** The reads that showed an older state than they could have. */
  contradictions(): string[] {
    const found: string[] = [];
    const byEnd = [...this.reads].sort((a, b) => a.endedAt - b.endedAt);
    /** The oldest state that each replica may still show, by the reads that have ended. */
    const seen = AGES.map(() => 0);
    const least = new Map<Read, number>();
    let ended = 0;
    for (const read of [...this.reads].sort((a, b) => a.startedAt - b.startedAt)) {
      for (let next = byEnd[ended]; next && next.endedAt < read.startedAt; next = byEnd[++ended]) {
        seen[next.replica] = Math.max(seen[next.replica] ?? 0, least.get(next) ?? 0);
      }
      const floor = this.floorOf(read, seen);
      const [fitting] = [...this.states.entries()].filter(
        ([i, state]) => i >= floor && state.startedAt < read.endedAt && read.fits(state),
      );
      if (fitting) least.set(read, fitting[0]);
      else {
        const shown = this.states[floor]?.shown ?? 'nothing';
        const replica = `the replica with CACHE_MAX_AGE_MS=${AGES[read.replica] ?? ''}`;
        found.push(
          `${read.url}: ${replica} told that ${read.told} after change ${floor}, which made ${shown} current`,
        );
      }
    }
    return found;
  }

  private get mayBeErased(): boolean {
    return this.number % 2 === 0;
  }

  /** The oldest state that a read may show. */
  private floorOf({ replica, startedAt }: Read, seen: readonly number[]): number {
    const age = AGES[replica] ?? 0;
    const changed = this.states.findLastIndex(
      (state) => state.endedAt + (state.replica === replica ? 0 : age) < startedAt,
    );
    return Math.max(0, changed, ...(age === 0 ? seen : [seen[replica] ?? 0]));
  }

  private client(replica: number): AvatarClient {
    return new AvatarClient(this.services[replica]?.url ?? '', this.id);
  }

  private async changeNow(replica: number, dice: number, number: number): Promise<void> {
    const client = this.client(replica);
    const { shown, kept = [], erased = [] } = this.states.at(-1) ?? {};
    const startedAt = performance.now();
    let next: Pick<State, 'shown' | 'kept' | 'erased'>;
    if (dice < 0.15) {
      expectStatus(204, await client.delete());
      next = { shown: undefined, kept, erased };
    } else if (dice < 0.3 && kept[0] !== undefined && kept[0] !== shown) {
      expectStatus(200, await client.restore(kept[0]));
      next = { shown: kept[0], kept, erased };
    } else if (dice < 0.4 && kept.length > 1) {
      const gone = kept[number % kept.length] ?? '';
      expectStatus(200, await client.eraseVersion(gone));
      next = {
        shown: shown === gone ? undefined : shown,
        kept: kept.filter((version) => version !== gone),
        erased: [...erased, gone],
      };
    } else if (dice < 0.5 && this.mayBeErased) {
      expectStatus(200, await client.erase());
      next = { shown: undefined, kept: [], erased: [...erased, ...kept] };
    } else {
      const version = versionOf(expectStatus(201, await client.upload(await numbered(number))));
      this.uploaded.push(version);
      next = { shown: version, kept: [...kept, version], erased };
    }
    this.states.push({ ...next, replica, startedAt, endedAt: performance.now() });
  }
}
