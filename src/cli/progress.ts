import { SingleBar } from 'cli-progress';
import type { Progress } from './command.js';

/** A bar on standard error if that is a terminal, otherwise nothing. */
export function openProgress(): Progress {
  if (!process.stderr.isTTY) {
    const nothing = () => undefined;
    return { visible: false, start: nothing, step: nothing, stop: nothing };
  }
  const bar = new SingleBar({
    stream: process.stderr,
    format: '{title} [{bar}] {value}/{total} {eta_formatted}',
    hideCursor: true,
  });
  return {
    visible: true,
    start: (title, total) => {
      bar.start(total, 0, { title });
    },
    step: () => {
      bar.increment();
    },
    stop: () => {
      bar.stop();
    },
  };
}
