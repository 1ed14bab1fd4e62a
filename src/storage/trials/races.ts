import { type ObjectStore, PreconditionFailed, type StoreOptions, isAway } from '../object-store.js';
import { type TrialBound, allEnded, runRounds, withProbe } from './probe-objects.js';

/** What races of conditional writes showed. All are counts. */
export interface RaceResult {
  /** Races that were run. The writers of each start at the same time. */
  rounds: number;
  /** All writes of all races. */
  writes: number;
  /** Races in which the store accepted more than one write: all but one of them are lost. */
  severalWinners: number;
  /** Races in which the store accepted no write, though every writer got an answer. */
  noWinner: number;
  /** Races after which the object was not the winner's. */
  lostWinner: number;
  /** Writes that got no answer in time. They may have won or lost. */
  unanswered: number;
}

export interface RaceOptions extends TrialBound {
  /** Writers in each race. */
  writers?: number;
}

/** Whether conditional writes hold, as far as races showed it. */
export function everyWriteHeld({ severalWinners, noWinner, lostWinner }: RaceResult): boolean {
  return severalWinners + noWinner + lostWinner === 0;
}

/**
 * Races for an object that is not there yet: `ifAbsent`. Exactly one writer has to win each.
 * @param stores of the same objects. Writers take turns with them, as replicas do.
 * @throws an error of the port if no writer of a race got an answer, or the object cannot be read
 */
export async function raceToCreate(
  stores: readonly [ObjectStore, ...ObjectStore[]],
  options: RaceOptions,
): Promise<RaceResult> {
  const races = new Races(stores, options.writers);
  const rounds = await runRounds(options, () =>
    withProbe(stores[0], async (key) => {
      await races.run(key, { ifAbsent: true });
    }),
  );
  return { ...races.counts, rounds };
}

/**
 * Races for one object from the same etag: `ifMatch`. Exactly one writer has to win each, and the next race
 * starts from what it wrote. Parameters and errors are those of {@link raceToCreate}.
 */
export async function raceToReplace(
  stores: readonly [ObjectStore, ...ObjectStore[]],
  options: RaceOptions,
): Promise<RaceResult> {
  const races = new Races(stores, options.writers);
  return withProbe(stores[0], async (key) => {
    let { etag: ifMatch } = await stores[0].store(key, Buffer.from('the object that writers race for'));
    const rounds = await runRounds(options, async () => {
      ifMatch = (await races.run(key, { ifMatch })) ?? ifMatch;
    });
    return { ...races.counts, rounds };
  });
}

class Races {
  readonly counts = { writes: 0, severalWinners: 0, noWinner: 0, lostWinner: 0, unanswered: 0 };

  constructor(
    private readonly stores: readonly [ObjectStore, ...ObjectStore[]],
    private readonly writers = 8,
  ) {}

  /** @returns the etag of the object afterwards; undefined if there is none */
  async run(key: string, precondition: StoreOptions): Promise<string | undefined> {
    const first = this.counts.writes;
    const bodies = Array.from({ length: this.writers }, (_, i) =>
      Buffer.from(`written by Visage to try the storage, and removed at once: write ${first + i}`),
    );
    const ends = await allEnded(bodies.map((body, i) => this.write(i, key, body, precondition)));
    const object = await this.stores[0].get(key);
    const present = object === 'unchanged' ? undefined : object;
    const winners = bodies.filter((_, i) => ends[i] === 'won');
    const unanswered = ends.filter((end) => typeof end === 'object');
    const [outage] = unanswered;
    if (outage && unanswered.length === ends.length) throw outage.error;
    this.counts.writes += ends.length;
    this.counts.unanswered += unanswered.length;
    if (winners.length > 1) this.counts.severalWinners++;
    if (winners.length === 0 && unanswered.length === 0) this.counts.noWinner++;
    if (winners.length > 0 && !winners.some((body) => present?.bytes.equals(body))) this.counts.lostWinner++;
    return present?.etag;
  }

  private async write(
    writer: number,
    key: string,
    body: Buffer,
    precondition: StoreOptions,
  ): Promise<'won' | 'lost' | { error: Error }> {
    const store = this.stores[writer % this.stores.length] ?? this.stores[0];
    try {
      await store.store(key, body, precondition);
      return 'won';
    } catch (error) {
      if (error instanceof PreconditionFailed) return 'lost';
      if (isAway(error)) return { error };
      throw error;
    }
  }
}
