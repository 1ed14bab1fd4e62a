// A real S3 server for the tests: the one that TEST_S3_ENDPOINT names, or one that is started here and ends with the run.
import { ceph } from './s3-servers/ceph.mjs';
import { engineAnswers } from './s3-servers/container.mjs';
import { takeGiven } from './s3-servers/given.mjs';
import { minio } from './s3-servers/minio.mjs';
import { seaweedfs } from './s3-servers/seaweedfs.mjs';
import { versitygw } from './s3-servers/versitygw.mjs';

/** By the names that TEST_S3_SERVER and `npm run compat` take. */
export const SERVERS = { ceph, minio, seaweedfs, versitygw };

/**
 * @typedef {object} Server
 * @property {Record<string, string>} environment the variables that tell the tests where it is
 * @property {string} [version]
 * @property {() => Promise<void>} stop
 */

/**
 * Starts a server, or takes the given one.
 * @param {string} scratch the folder of the run
 * @param {string} buckets the prefix of the run's bucket names
 * @returns {Promise<Server>}
 */
export async function openS3Server(scratch, buckets) {
  const { TEST_S3_ENDPOINT: url, TEST_S3_SERVER: name } = process.env;
  if (url) {
    console.log(`S3 server: ${url}, as TEST_S3_ENDPOINT says`);
    return takeGiven(process.env, buckets);
  }
  if (name) return startServer(name, scratch, 'as TEST_S3_SERVER says');
  return (await engineAnswers())
    ? startServer('minio', scratch, 'since a container engine answers; TEST_S3_SERVER=ceph chooses Ceph')
    : startServer('ceph', scratch, 'since no container engine answers; TEST_S3_SERVER chooses another');
}

/**
 * @param {string} name one of SERVERS
 * @param {string} why for the log
 * @returns {Promise<Server>}
 */
export async function startServer(name, scratch, why) {
  if (!Object.hasOwn(SERVERS, name)) {
    throw new Error(`the S3 server is one of ${Object.keys(SERVERS).join(', ')}, not ${name}`);
  }
  const { title, start } = SERVERS[name];
  const server = await start(scratch);
  console.log(`S3 server: ${[title, server.version].filter(Boolean).join(' ')} ${server.how}, ${why}`);
  return server;
}
