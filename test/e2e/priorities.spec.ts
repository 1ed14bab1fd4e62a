import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { local } from '../support/local.js';
import { startProcess } from '../support/service.js';

/** The priority of the main thread, and those of the others. A higher number is a lower priority. */
async function priorities(prefix?: string[]): Promise<[number, number[]]> {
  const service = await startProcess(await local.environment(), prefix);
  try {
    const pid = Number(service.process.pid);
    const threads = readdirSync(`/proc/${pid}/task`).map(Number);
    const others = threads.filter((thread) => thread !== pid);
    return [getPriority(pid), others.map((thread) => getPriority(thread))];
  } finally {
    await service.stop();
  }
}

describe('the main thread', () => {
  it('has priority over all the others', async () => {
    const [main, others] = await priorities();
    expect(others.length).toBeGreaterThan(1);
    expect(Math.min(...others)).toBeGreaterThan(main);
  });

  it('raises no thread, which only a privileged process may do', async () => {
    const [main, others] = await priorities(['nice', '-n', '15']);
    expect(Math.min(...others)).toBeGreaterThanOrEqual(main);
  });
});
