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

interface Waiting {
  costly: boolean;
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

  /**
   * Runs a task when its turn comes. Tasks of one group start in the order they came, but cheap ones may overtake costly ones.
   * @throws CodedError `busy` the queue is full, or eight costly tasks of the group are waiting already. A full queue refuses the
   * last task of the group that has the most tasks waiting. That may be a task that has waited for a while.
   */
  async run<T>(task: () => Promise<T>, { group = '', costly = false }: TaskOptions = {}): Promise<T> {
    await this.turn(group, costly);
    try {
      return await task();
    } finally {
      this.end(group, costly);
    }
  }

  private turn(name: string, costly: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const group = this.groups.get(name) ?? { active: 0, waiting: [] };
      this.groups.set(name, group);
      const waitingCostly = group.waiting.filter((one) => one.costly).length;
      const refuse = () => {
        reject(new CodedError('busy', 'Too many pictures are waiting to be processed. Try again shortly.'));
      };
      if (costly && waitingCostly >= MAX_COSTLY_WAITING) {
        refuse();
        return;
      }
      group.waiting.push({ costly, start: resolve, refuse });
      this.count.waiting++;
      this.startNext();
      if (this.count.waiting > this.options.queue) this.refuseOne(name);
    });
  }

  private startNext(): void {
    if (this.count.active >= this.options.turns) return;
    const mayStart = ({ costly }: Waiting) =>
      !costly || this.count.costly < Math.max(1, this.options.turns - 1);
    const ready = [...this.groups.values()].filter(({ waiting }) => waiting.some(mayStart));
    if (ready.length === 0) return;
    const group = ready.reduce((least, one) => (one.active < least.active ? one : least));
    const [next] = group.waiting.splice(group.waiting.findIndex(mayStart), 1);
    if (!next) return;
    this.count.waiting--;
    this.count.active++;
    this.count.costly += Number(next.costly);
    group.active++;
    next.start();
  }

  private end(name: string, costly: boolean): void {
    this.count.active--;
    this.count.costly -= Number(costly);
    const group = this.groups.get(name);
    if (group) {
      group.active--;
      this.groups.delete(name);
      if (group.active + group.waiting.length > 0) this.groups.set(name, group);
    }
    this.startNext();
  }

  /** @param newcomer the group whose task came last. That task is refused unless another group has more tasks waiting. */
  private refuseOne(newcomer: string): void {
    let longest = newcomer;
    const lengthOf = (name: string) => this.groups.get(name)?.waiting.length ?? 0;
    for (const name of this.groups.keys()) if (lengthOf(name) > lengthOf(longest)) longest = name;
    this.groups.get(longest)?.waiting.pop()?.refuse();
    this.count.waiting--;
  }
}
