// Runs the S3 suite on a server, and says what that server is worth: `npm run compat -- SERVER|URL [--seconds N]`.
import { parseArgs } from 'node:util';
import { listTests } from './runner/jest.mjs';
import { measureServer } from './runner/measure.mjs';
import { needsOf } from './runner/needs.mjs';
import { SERVERS, startServer } from './runner/s3-server.mjs';
import { takeGiven } from './runner/s3-servers/given.mjs';
import { runTests } from './runner/session.mjs';
import { tableRow } from './runner/table-row.mjs';

/** How long each trial takes by default. */
const SECONDS = '20';

const options = { seconds: { type: 'string', default: SECONDS } };
const { values, positionals } = parseArgs({ allowPositionals: true, options });
const [target = ''] = positionals;
const seconds = Number(values.seconds);
const isUrl = /^https?:/.test(target);

if (positionals.length !== 1 || !(isUrl || Object.hasOwn(SERVERS, target)) || !(seconds > 0)) {
  console.error(`usage: npm run compat -- SERVER|URL [--seconds N]
SERVER: ${Object.keys(SERVERS).join(', ')}
URL: of a server that runs already; TEST_S3_ACCESS_KEY_ID and TEST_S3_SECRET_ACCESS_KEY have its keys
N: how long each of the two races and the reads beside writes go on; ${SECONDS} by default`);
  process.exitCode = 2;
} else {
  const suite = (await listTests([])).filter((spec) => needsOf([spec]).s3);
  await runTests(suite, {
    openServer: (scratch, buckets) =>
      isUrl
        ? takeGiven({ ...process.env, TEST_S3_ENDPOINT: target, TEST_S3_ENDPOINTS: target }, buckets)
        : startServer(target, scratch, 'as the command line says'),
    afterwards: async (results, server) => {
      console.log(`racing twice and reading beside writes, ${seconds} s each`);
      const measured = await measureServer(server.environment, seconds);
      console.log(tableRow(target, server, results, measured));
      if (!measured.sound) process.exitCode = 1;
    },
  });
}
