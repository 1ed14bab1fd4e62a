// Runs services and commands for the tests, one at a time, in one process: nothing is loaded and compiled a second time, so each starts in
// a fraction of the time. `npm test` bundles it with the build; its parent asks by messages, see hosts.mjs.
import 'reflect-metadata';
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

/** The service that runs now. */
let service;

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
    await atRest();
    clearTimeout(timer);
    service = undefined;
    return 0;
  },
  run: (parameters) => runProgram(parameters, process.env),
};

/** Resolves when the service does nothing more in the background. In a process of its own, it would end with the process. */
async function atRest() {
  for (let looks = 0; looks < 3; looks++) {
    await sleep(2);
    if (isAtWork()) looks = -1;
  }
}

function isAtWork() {
  const { queue, process: pictures } = sharp.counters();
  return (
    queue + pictures > 0 || process.getActiveResourcesInfo().some((name) => /^(FSReq|FILEHANDLE)/.test(name))
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
  void REQUESTS[request](parameters).then((code) => {
    if (code === undefined) return;
    process.chdir('/');
    process.stderr.write(`${END}\n`);
    process.stdout.write(`${END} ${code}\n`);
  });
});
process.on('disconnect', () => process.exit());

// For the code cache: the port is taken, so that it exits.
if (process.env.CODE_CACHE === 'write') void REQUESTS.run(['import', '.']).then(REQUESTS.serve);
