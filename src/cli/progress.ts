import { SingleBar } from 'cli-progress';
import type { Progress } from './command.js';

/** A bar on standard error if that is a terminal, otherwise nothing. */
export function openProgress(): Progress {
  if (!process.stderr.isTTY) {
    const nothing = () => undefined;
    const aside = (write: () => void) => {
      write();
    };
    return { visible: false, start: nothing, step: nothing, aside, stop: nothing };
  }
  const bar = new SingleBar({
    stream: process.stderr,
    format: '{title} [{bar}] {value}/{total} {eta_formatted}',
    hideCursor: true,
    clearOnComplete: true,
  });
  let shown: { title: string; total: number; value: number } | undefined;
  const show = () => {
    if (shown) bar.start(shown.total, shown.value, { title: shown.title });
  };
  return {
    visible: true,
    start: (title, total) => {
      shown = { title, total, value: 0 };
      show();
    },
    step: () => {
      if (shown) shown.value++;
      bar.increment();
    },
    aside: (write) => {
      bar.stop();
      write();
      show();
    },
    stop: () => {
      shown = undefined;
      bar.stop();
    },
  };
}
