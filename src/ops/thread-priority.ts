import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/**
 * Lets the thread that answers go before those that decode and encode, so that reads stay quick while uploads keep all cores
 * busy. On Linux each thread has a priority of its own, and one that is begun later takes over that of its parent (sched(7));
 * elsewhere nothing is done. To be called once libuv has begun its threads, which any file that was read has seen to.
 * @throws Error where the system forbids it, as a sandbox may: nothing but speed depends on it
 */
export function preferMainThread(): void {
  if (process.platform !== 'linux') return;
  for (const name of readdirSync('/proc/self/task')) {
    const thread = Number(name);
    if (thread === process.pid) continue;
    // Only a privileged process may raise it again, and a whole process may have a lower one already.
    setPriority(thread, Math.max(getPriority(thread), constants.priority.PRIORITY_BELOW_NORMAL));
  }
}
