// Makes a process collect its garbage on SIGUSR2 and write how much memory is left to its output. Loaded by `node --import`, see memory.ts.
import { setImmediate } from 'node:timers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  // Memory outside the heap is given back after the collection that found it unused.
  collect();
  setImmediate(() => {
    collect();
    console.log(`MEMORY ${JSON.stringify(process.memoryUsage())}`);
  });
});
