// Runs Jest with everything that the chosen tests need, and leaves nothing of it behind.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildService } from './build.mjs';
import { changedTests } from './changed.mjs';
import { JEST, listTests, takeOptions } from './jest.mjs';
import { needsOf } from './needs.mjs';
import { Interrupted, endOnSignals, run } from './processes.mjs';
import { openS3Server } from './s3-server.mjs';
import { Scratch } from './scratch.mjs';
import { recordTimes, reportTimes } from './times.mjs';
import { provideTools } from './tools.mjs';

/**
 * Runs tests and sets the exit code: 0 if every test passed.
 * @param {string[]} args for Jest, and options of the runner: see `takeOptions`
 * @param {object} [options]
 * @param {Record<string, string>} [options.environment] variables for the tests
 * @param {typeof openS3Server} [options.openServer] gives the S3 server
 * @param {(results: object, server: import('./s3-server.mjs').Server) => Promise<void>} [options.afterwards] gets Jest's
 *   results while the server still runs
 */
export async function runTests(
  args,
  { environment = {}, openServer = openS3Server, afterwards = () => undefined } = {},
) {
  const scratch = new Scratch();
  const buckets = `visage-test-${randomUUID().slice(0, 8)}-`;
  let building = Promise.resolve();
  let server;
  process.exitCode = 1;
  endOnSignals((cause) => console.error(`${cause}: ending everything`));
  try {
    const { outputFile = join(scratch.path, 'results.json'), changed, ...options } = takeOptions(args);
    const touched = changed === undefined ? [] : await changedTests(changed);
    if (changed !== undefined && touched.length === 0) {
      console.log(`no test is touched by what has changed since ${changed}`);
      process.exitCode = 0;
      return;
    }
    const chosen = [...touched, ...options.others];
    const needs = needsOf(await listTests(chosen));
    if (needs.build) {
      console.log('building dist');
      building = buildService(scratch.folder('build'));
      // The first fault counts.
      building.catch(() => undefined);
    }
    const missing = await provideTools(needs.tools);
    const faults = [...missing.values()];
    if (faults.length > 0 && process.env.CI)
      throw new Error(`with CI set no test may be left out, but ${faults.join('; ')}`);
    for (const fault of faults) console.error(`left out: ${fault}`);
    if (needs.s3 && process.env.SKIP_S3 !== '1') server = await openServer(scratch.path, buckets);
    await building;
    await run(process.execPath, [...JEST, '--json', `--outputFile=${outputFile}`, ...chosen], {
      env: {
        ...process.env,
        ...server?.environment,
        ...environment,
        TMPDIR: scratch.folder('tmp'),
        TEST_BUCKETS: buckets,
        // The SDK's notice about Node 20, once for each worker, hides what matters.
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        TEST_MISSING_TOOLS: [...missing.keys()].join(),
      },
    });
    const results = JSON.parse(readFileSync(outputFile, 'utf8'));
    if (options.recordTimes) recordTimes(results);
    else if (chosen.length === 0) reportTimes(results, performance.now() / 1000);
    report(results, missing);
    await afterwards(results, server);
  } catch (error) {
    if (!(error instanceof Interrupted)) console.error(error.message);
  } finally {
    await Promise.allSettled([building]);
    await server?.stop();
    scratch.remove();
  }
}

function report(results, missing) {
  if (process.env.SKIP_S3 === '1') console.log('SKIP_S3=1: the S3 suite was left out.');
  for (const [tool, fault] of missing) {
    for (const [spec, count] of leftOut(results, tool)) {
      console.log(`left out: ${count} tests of ${spec}, because ${fault}`);
    }
  }
  for (const line of repetitions(results)) console.log(line);
  const { success, numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = results;
  console.log(`${numPassedTests} passed, ${numFailedTests + numRuntimeErrorTestSuites} failed`);
  if (success && numPassedTests > 0) process.exitCode = 0;
}

/** @returns for each test that failed, and each file that could not be run, the command that repeats it alone */
function repetitions({ testResults }) {
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const file = `npm test -- ${relative('.', name)}`;
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`to repeat it: ${file}`] : [];
    // Jest takes a regular expression, the shell a text between quotes.
    const quoted = (text) => `'${text.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&').replaceAll("'", '.')}'`;
    return failed.map(({ fullName }) => `to repeat it: ${file} -t ${quoted(fullName)}`);
  });
}

/** @returns the files, and how many of their tests were skipped because a tool is missing */
function leftOut({ testResults }, tool) {
  return testResults
    .filter(({ name }) => needsOf([name]).tools.includes(tool))
    .map(({ name, assertionResults }) => {
      const skipped = assertionResults.filter(({ status }) => status === 'pending');
      return [relative('.', name), skipped.length];
    });
}
