import { type Finding, type Task, UNEXPECTED, findingOf, isOutage } from './command.js';

/**
 * Works on items as they come, in their order, several at the same time.
 * @throws the error of the first task that failed, once all tasks that had begun have ended
 */
export async function forEach<T>(
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
 * Works on avatars or pictures, each of which may fail alone. A failure becomes a finding, and the others go on.
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

/** Works on one of many. @throws only errors by which the storage cannot be used at all */
export async function attempt(
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
