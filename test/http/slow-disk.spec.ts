import { setTimeout as sleep } from 'node:timers/promises';
import { local } from '../support/local.js';
import { startProcess } from '../support/service.js';
import { Tracing } from '../support/strace.js';
import { needs } from '../support/tools.js';
import { FORM, form, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';

/** How long each file takes to open, in µs. */
const DELAY = 200_000;

needs('strace')('a slow disk', () => {
  let harness: Harness;
  let tracing: Tracing;

  beforeAll(async () => {
    harness = await Harness.start(await local.environment(), { start: startProcess });
    const options = ['-e', `inject=openat:delay_enter=${DELAY}`];
    tracing = await Tracing.ofProcess(Number(harness.service.process.pid), options);
  });
  afterAll(async () => {
    await harness.stop();
    await tracing.finish(Number(harness.service.process.pid));
  });

  it('leaves no spool file if a form ends before the file is created', async () => {
    await harness.leavesNothing(async (path) => {
      const body = form({ filename: 'me.png', content: 'x' }).subarray(0, -9);
      const answer = await harness.put(path, { headers: FORM, body });
      expect(problemOf(answer)).toEqual({ status: 400, code: 'truncated_body' });
      while (!(await spoolFileMade())) await sleep(20);
    });
  });

  async function spoolFileMade(): Promise<boolean> {
    const calls = await tracing.calls();
    return calls.some((call) => call.arguments.includes('visage-upload-') && call.result !== '?');
  }
});
