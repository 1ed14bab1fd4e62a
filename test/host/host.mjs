// Runs services and commands for the tests, one at a time, in one process: nothing is loaded and compiled a second time, so each starts in
// a fraction of the time. `npm test` bundles it with the build; its parent asks by messages, see hosts.mjs.
import 'reflect-metadata';
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import sharp from 'sharp';
import { runProgram } from '../../dist/cli/program.js';
import { CannotListen, listen, openService } from '../../dist/service.js';
import { setClockBy } from '../support/standing-clock.mjs';
import { END } from './end.mjs';

// As src/main.ts and src/cli/main.ts do.
setFlagsFromString('--heap-growing-percent=100');
process.umask(0o077);

/** How long a service or command may go on in the background after its end, in ms. If it does so for longer, nothing follows it here. */
const REST_MS = 1000;

/** The service that runs now. */
let service;

/** Calls to a store or a CDN that are not over. */
const calls = new Set();
subscribe('http.client.request.start', ({ request }) => {
  calls.add(request);
  request.once('close', () => calls.delete(request));
});

/** Each gives an exit code when it is done; `serve` goes on. */
const REQUESTS = {
  serve: async () => {
    try {
      service = await openService(process.env);
      await listen(service);
    } catch (error) {
      if (!(error instanceof CannotListen)) process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    }
  },
  stop: async () => {
    const timer = setTimeout(() => process.exit(1), service.settings.shutdownTimeoutMs);
    await service.app.close();
    clearTimeout(timer);
    service = undefined;
    return 0;
  },
  run: (parameters) => runProgram(parameters, process.env),
};

/** Waits until nothing is done in the background any more: it would end with a process of its own. @returns whether that is so in time */
async function comesToRest() {
  const giveUp = performance.now() + REST_MS;
  for (let looks = 0; looks < 3; looks++) {
    await sleep(2);
    if (isAtWork()) looks = -1;
    if (performance.now() > giveUp) return false;
  }
  return true;
}

function isAtWork() {
  const { queue, process: pictures } = sharp.counters();
  return (
    calls.size + queue + pictures > 0 ||
    process.getActiveResourcesInfo().some((name) => /^(FSReq|FILEHANDLE)/.test(name))
  );
}

process.on('message', ({ request, environment, folder, parameters }) => {
  if (environment !== undefined) {
    process.chdir(folder);
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, environment);
    setClockBy(environment);
  }
  // An error that nobody foresaw ends the process.
  void REQUESTS[request](parameters).then(async (code) => {
    if (code === undefined) return;
    const goesOn = await comesToRest();
    process.chdir('/');
    process.stderr.write(`${END}\n`);
    process.stdout.write(`${END} ${code} ${goesOn}\n`);
  });
});
process.on('disconnect', () => process.exit());

// For the code cache: the port is taken, so that it exits.
if (process.env.CODE_CACHE === 'write') void REQUESTS.run(['import', '.']).then(REQUESTS.serve);
