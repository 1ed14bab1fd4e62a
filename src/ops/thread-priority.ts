import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/**
 * Gives the thread that answers requests priority over those that decode and encode, so that reads stay fast
 * while uploads keep all cores busy. On Linux each thread has a priority of its own and inherits that of its
 * parent (sched(7)); on other systems this does nothing. Call it once libuv has started its threads, as it
 * does when the first file is read.
 * @throws Error if the system forbids it, as a sandbox may. Only speed depends on it
 */
export function preferMainThread(): void {
  if (process.platform !== 'linux') return;
  for (const name of readdirSync('/proc/self/task')) {
    const thread = Number(name);
    if (thread === process.pid) continue;
    // Never raises a priority: the whole process may have a lower one, and only privileged processes may
    // raise it.
    setPriority(thread, Math.max(getPriority(thread), constants.priority.PRIORITY_BELOW_NORMAL));
  }
}
