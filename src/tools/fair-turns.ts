import { CodedError } from '../errors.js';

export interface FairTurnsOptions {
  /** Tasks that run at the same time. */
  turns: number;
  /** Tasks that may wait for a turn. By default, any number. */
  queue?: number;
  /** Tasks of one group that may wait. By default, any number. */
  queueOfGroup?: number;
  /** How long a task may wait, in ms. By default, for good. */
  maxWaitMs?: number;
  /** The error of a task that is refused, which was not begun then. By default, a CodedError `busy`. */
  busy?: () => Error;
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
  /** Fires when it has waited for too long. */
  timer?: NodeJS.Timeout;
}

interface Group {
  active: number;
  waiting: Waiting[];
}

/**
 * Runs a limited number of tasks at a time and shares the turns fairly among groups. The next turn goes to
 * the group that holds the fewest turns, and among equal groups to the one whose last turn is longest ago.
 * Costly tasks always leave one turn free for the others, unless there is only one turn.
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
   * Runs a task when its turn comes. Tasks of one group start in the order they came, but cheap ones may
   * overtake costly ones.
   * @throws the error of `busy`: the queue is full, too many tasks of the group are waiting already, eight of
   * them if they are costly, or the task has waited for too long. A full queue refuses the last task of the
   * group that has the most tasks waiting. That may be a task that has waited for a while.
   */
  async run<T>(task: () => Promise<T>, { group = '', costly = false }: TaskOptions = {}): Promise<T> {
    return this.runAt({ group, costly }, task);
  }

  /**
   * Runs tasks that are of use only together: once one of them fails, those that still wait leave the queue.
   * @throws what the first one to fail throws
   */
  async all<T>(
    tasks: readonly (() => Promise<T>)[],
    { group = '' }: Pick<TaskOptions, 'group'> = {},
  ): Promise<T[]> {
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
    const { queue = Infinity, queueOfGroup = Infinity, maxWaitMs = Infinity, busy = tooMany } = this.options;
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
      const task: Waiting = { place, start: resolve, refuse };
      group.waiting.push(task);
      this.count.waiting++;
      this.startNext();
      if (group.waiting.length > queueOfGroup) this.refuse(group, task);
      else if (this.count.waiting > queue) this.refuseOne(group);
      if (maxWaitMs === Infinity || group.waiting.at(-1) !== task) return;
      task.timer = setTimeout(() => {
        this.refuse(group, task);
      }, maxWaitMs);
    });
  }

  private startNext(): void {
    if (this.count.active >= this.options.turns) return;
    const mayStart = ({ place: { costly } }: Waiting) =>
      !costly || this.count.costly < Math.max(1, this.options.turns - 1);
    const ready = [...this.groups.values()].filter(({ waiting }) => waiting.some(mayStart));
    if (ready.length === 0) return;
    const group = ready.reduce((least, one) => (one.active < least.active ? one : least));
    const next = group.waiting.find(mayStart);
    if (!next) return;
    this.leave(group, next);
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
    for (const task of group.waiting.filter((one) => one.place === place)) this.leave(group, task);
    this.forgetIfIdle(place.group);
  }

  /** Each turn looks at all groups. */
  private forgetIfIdle(name: string): void {
    const group = this.groups.get(name);
    if (group?.active === 0 && group.waiting.length === 0) this.groups.delete(name);
  }

  /**
   * @param newcomer the group whose task came last. That task is refused unless another group has more tasks
   * waiting.
   */
  private refuseOne(newcomer: Group): void {
    let longest = newcomer;
    for (const group of this.groups.values()) {
      if (group.waiting.length > longest.waiting.length) longest = group;
    }
    const last = longest.waiting.at(-1);
    if (last) this.refuse(longest, last);
  }

  private refuse(group: Group, task: Waiting): void {
    this.leave(group, task);
    this.forgetIfIdle(task.place.group);
    task.refuse();
  }

  private leave(group: Group, task: Waiting): void {
    clearTimeout(task.timer);
    group.waiting.splice(group.waiting.indexOf(task), 1);
    this.count.waiting--;
  }
}

function tooMany(): CodedError {
  return new CodedError('busy', 'Too many tasks are waiting. Try again shortly.');
}
