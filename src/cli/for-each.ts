import { KeyedMutex } from '../tools/keyed-mutex.js';
import { type Finding, type Task, UNEXPECTED, findingOf, isOutage } from './command.js';

/**
 * Works on items as they come, in their order, several at the same time.
 * @throws the error of the first task that failed, once all tasks that had begun have ended
 */
async function forEach<T>(
  items: AsyncIterable<T>,
  concurrency: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let failed = false;
  const work = async () => {
    for (;;) {
      const next = await iterator.next();
      if (next.done === true || failed) return;
      try {
        await task(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: concurrency }, work));
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
}

/**
 * Works on avatars or pictures, each of which may fail alone. A failure becomes a finding, and the others go
 * on.
 * @param where names an item in findings
 * @param report takes the finding
 * @throws only errors by which the storage cannot be used at all
 */
export function examineEach<T>(
  items: AsyncIterable<T>,
  task: Task,
  { where, report }: { where: (item: T) => string; report: (finding: Finding) => void },
  examine: (item: T) => Promise<void>,
): Promise<void> {
  return forEach(items, task.concurrency, (item) => attempt(task, where(item), report, () => examine(item)));
}

/** An item of a list, or why it is none. */
export type Listed<Item> = Item | { finding: Finding };

/**
 * Works on the items of a list: each group in its order, and items of one avatar one after the other. A
 * failure becomes a finding, and the others go on.
 * @param title names the work on a terminal
 * @returns a finding for each item that was not taken
 * @throws only errors by which the storage cannot be used at all
 */
export async function forEachListed<Item extends { id: string; where: string }>(
  groups: AsyncIterable<readonly Listed<Item>[]>,
  task: Task,
  title: string,
  take: (item: Item) => Promise<void>,
): Promise<Finding[]> {
  const { concurrency, progress } = task;
  const avatars = new KeyedMutex();
  const findings: Finding[] = [];
  const refuse = (finding: Finding) => findings.push(finding);
  if (progress.visible) progress.start(title, 0);
  await forEach(groups, concurrency, async (group) => {
    for (const item of group) {
      if ('finding' in item) refuse(item.finding);
      else await attempt(task, item.where, refuse, () => avatars.run(item.id, () => take(item)));
      progress.step();
    }
  });
  return findings;
}

/** Works on one of many. @throws only errors by which the storage cannot be used at all */
async function attempt(
  { logger }: Pick<Task, 'logger'>,
  where: string,
  report: (finding: Finding) => void,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isOutage(error)) throw error;
    const finding = findingOf(error, where);
    if (finding.code === UNEXPECTED)
      logger.error({ err: error, where }, 'an unexpected error: going on with the others');
    report(finding);
  }
}
