// Runs the S3 suite on a server, and says what that server is worth: `npm run compat -- SERVER|URL [--seconds N]`.
import { parseArgs } from 'node:util';
import { listTests } from './runner/jest.mjs';
import { measureServer } from './runner/measure.mjs';
import { needsOf } from './runner/needs.mjs';
import { SERVERS, startServer } from './runner/s3-server.mjs';
import { assertUsable, takeGiven } from './runner/s3-servers/given.mjs';
import { runTests } from './runner/session.mjs';
import { tableRow } from './runner/table-row.mjs';

class UsageError extends Error {}

// The AWS SDK's own switch for its notice about Node 20.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

/** How long each trial takes by default. */
const SECONDS = '20';

const USAGE = `usage: npm run compat -- SERVER|URL [--seconds N]
SERVER: ${Object.keys(SERVERS).join(', ')}
URL: of a server that runs already; TEST_S3_ACCESS_KEY_ID and TEST_S3_SECRET_ACCESS_KEY have its keys
N: how long each of the two races and the reads beside writes go on; ${SECONDS} by default`;

try {
  const { help, target, seconds } = readCommandLine();
  if (help) console.log(USAGE);
  else await examine(target, seconds);
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

/** @throws {UsageError} */
function readCommandLine() {
  const options = { seconds: { type: 'string', default: SECONDS }, help: { type: 'boolean', short: 'h' } };
  let parsed;
  try {
    parsed = parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { values, positionals } = parsed;
  const [target = ''] = positionals;
  const seconds = Number(values.seconds);
  if (values.help) return { help: true };
  if (positionals.length !== 1 || !(isUrl(target) || Object.hasOwn(SERVERS, target)))
    throw new UsageError('name one server, or its URL');
  if (!(seconds > 0)) throw new UsageError('--seconds takes a number above 0');
  return { target, seconds };
}

function isUrl(target) {
  return /^https?:/.test(target) && URL.canParse(target);
}

async function examine(target, seconds) {
  const given = { ...process.env, TEST_S3_ENDPOINT: target, TEST_S3_ENDPOINTS: target };
  if (isUrl(target)) await assertUsable(given);
  console.log('looking for the tests that use a bucket');
  const suite = (await listTests([])).filter((spec) => needsOf([spec]).s3);
  await runTests(suite, {
    openServer: (scratch, buckets) =>
      isUrl(target) ? takeGiven(given, buckets) : startServer(target, scratch, 'as the command line says'),
    afterwards: async (results, server) => {
      console.log(`racing twice and reading beside writes, ${seconds} s each`);
      const measured = await measureServer(server.environment, seconds);
      console.log(tableRow(target, server, results, measured));
      if (!measured.sound) process.exitCode = 1;
    },
  });
}
