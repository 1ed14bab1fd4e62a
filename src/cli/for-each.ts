/**
 * Works on items as they come, so many at the same time; they begin in their order.
 * @throws what the first task that failed threw, once those that had begun have ended
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
