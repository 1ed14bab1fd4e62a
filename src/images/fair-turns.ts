import { CodedError } from '../errors.js';

export interface FairTurnsOptions {
  /** Tasks that run at the same time. */
  turns: number;
  /** Tasks that may wait for a turn. */
  queue: number;
}

/** Costly tasks of one group that may wait. They run even if nobody waits for their result any more. */
const MAX_COSTLY_WAITING = 8;

export interface TaskOptions {
  /** Tasks of one group share one group's part of the turns. */
  group?: string | undefined;
  /** The task will hold its turn for long. */
  costly?: boolean | undefined;
}

/** Where a task waits. The tasks of one call of `all` share theirs. */
interface Place {
  group: string;
  costly: boolean;
}

interface Waiting {
  place: Place;
  start(): void;
  refuse(): void;
}

interface Group {
  active: number;
  waiting: Waiting[];
}

/**
 * Runs a limited number of tasks at a time and shares the turns fairly among groups. The next turn goes to the group that holds the
 * fewest turns, and among equal groups to the one whose last turn is longest ago. Costly tasks always leave one turn free for the
 * others, unless there is only one turn.
 */
export class FairTurns {
  /** Groups with tasks that run or wait. A group moves to the end when one of its turns ends. */
  private readonly groups = new Map<string, Group>();
  private readonly count = { active: 0, costly: 0, waiting: 0 };

  constructor(private readonly options: FairTurnsOptions) {}

  get active(): number {
    return this.count.active;
  }

  get waiting(): number {
    return this.count.waiting;
  }

  /** How many groups share the turns: those with tasks that run or wait. */
  get sharing(): number {
    return this.groups.size;
  }

  /**
   * Runs a task when its turn comes. Tasks of one group start in the order they came, but cheap ones may overtake costly ones.
   * @throws CodedError `busy` the queue is full, or eight costly tasks of the group are waiting already. A full queue refuses the
   * last task of the group that has the most tasks waiting. That may be a task that has waited for a while.
   */
  async run<T>(task: () => Promise<T>, { group = '', costly = false }: TaskOptions = {}): Promise<T> {
    return this.runAt({ group, costly }, task);
  }

  /**
   * Runs tasks that are of use only together. Nothing is queued unless there is room for all of them, and once one of them fails, those that
   * still wait leave the queue.
   * @throws CodedError `busy` there is no room for all of them; what the first one to fail throws
   */
  async all<T>(
    tasks: readonly (() => Promise<T>)[],
    { group = '' }: Pick<TaskOptions, 'group'> = {},
  ): Promise<T[]> {
    const room = this.options.queue - this.count.waiting + this.options.turns - this.count.active;
    if (tasks.length > room) throw busy();
    const place = { group, costly: false };
    try {
      return await Promise.all(tasks.map((task) => this.runAt(place, task)));
    } catch (error) {
      this.drop(place);
      throw error;
    }
  }

  private async runAt<T>(place: Place, task: () => Promise<T>): Promise<T> {
    await this.turn(place);
    try {
      return await task();
    } finally {
      this.end(place);
    }
  }

  private turn(place: Place): Promise<void> {
    return new Promise((resolve, reject) => {
      const group = this.groups.get(place.group) ?? { active: 0, waiting: [] };
      const refuse = () => {
        reject(busy());
      };
      if (place.costly && group.waiting.filter((one) => one.place.costly).length >= MAX_COSTLY_WAITING) {
        refuse();
        return;
      }
      this.groups.set(place.group, group);
      group.waiting.push({ place, start: resolve, refuse });
      this.count.waiting++;
      this.startNext();
      if (this.count.waiting > this.options.queue) this.refuseOne(place.group);
    });
  }

  private startNext(): void {
    if (this.count.active >= this.options.turns) return;
    const mayStart = ({ place: { costly } }: Waiting) =>
      !costly || this.count.costly < Math.max(1, this.options.turns - 1);
    const ready = [...this.groups.values()].filter(({ waiting }) => waiting.some(mayStart));
    if (ready.length === 0) return;
    const group = ready.reduce((least, one) => (one.active < least.active ? one : least));
    const [next] = group.waiting.splice(group.waiting.findIndex(mayStart), 1);
    if (!next) return;
    this.count.waiting--;
    this.count.active++;
    this.count.costly += Number(next.place.costly);
    group.active++;
    next.start();
  }

  private end({ group: name, costly }: Place): void {
    this.count.active--;
    this.count.costly -= Number(costly);
    const group = this.groups.get(name);
    if (group) {
      group.active--;
      this.groups.delete(name);
      this.groups.set(name, group);
      this.forgetIfIdle(name);
    }
    this.startNext();
  }

  private drop(place: Place): void {
    const group = this.groups.get(place.group);
    if (!group) return;
    const left = group.waiting.filter((one) => one.place !== place);
    this.count.waiting -= group.waiting.length - left.length;
    group.waiting = left;
    this.forgetIfIdle(place.group);
  }

  /** Each turn looks at all groups. */
  private forgetIfIdle(name: string): void {
    const group = this.groups.get(name);
    if (group?.active === 0 && group.waiting.length === 0) this.groups.delete(name);
  }

  /** @param newcomer the group whose task came last. That task is refused unless another group has more tasks waiting. */
  private refuseOne(newcomer: string): void {
    let longest = newcomer;
    const lengthOf = (name: string) => this.groups.get(name)?.waiting.length ?? 0;
    for (const name of this.groups.keys()) if (lengthOf(name) > lengthOf(longest)) longest = name;
    this.groups.get(longest)?.waiting.pop()?.refuse();
    this.count.waiting--;
    this.forgetIfIdle(longest);
  }
}

function busy(): CodedError {
  return new CodedError('busy', 'Too many pictures are waiting to be processed. Try again shortly.');
}
