// Starts a server that is one program: from the PATH if it is there, otherwise from its container image.
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { start, succeed } from '../processes.mjs';
import { engineAnswers, startContainer } from './container.mjs';
import { freePorts } from './free-ports.mjs';
import { untilItTakesWrites } from './ready.mjs';

/** Where everything is in a container. */
const IN_CONTAINER = { host: '0.0.0.0', port: 9000, folder: '/data' };

/**
 * @typedef {{ host: string, port: number, otherPorts: number[], folder: string,
 *   keys: { accessKeyId: string, secretAccessKey: string } }} Place
 * @typedef {object} Recipe
 * @property {string} program its name in the PATH
 * @property {{ parameters: string[], pattern: RegExp }} version how the program tells its version
 * @property {string} image pinned, with the version as its tag
 * @property {number} [otherPorts] how many ports it needs for itself
 * @property {(place: Place) => { parameters: string[], env: Record<string, string> }} line
 */

/**
 * @param {string} scratch the folder of the run
 * @param {Recipe} recipe
 */
export async function startRecipe(scratch, recipe) {
  const keys = {
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(20).toString('hex'),
  };
  const { program, image } = recipe;
  if (isInPath(program)) return startProgram(scratch, recipe, keys);
  if (await engineAnswers()) return startImage(recipe, keys);
  throw new Error(`${program} is not in the PATH, and no container engine answers that could run ${image}`);
}

async function startProgram(scratch, { program, version, otherPorts: count = 0, line }, keys) {
  const folder = join(scratch, program);
  mkdirSync(folder);
  const [port, ...otherPorts] = await freePorts(1 + count);
  const { parameters, env } = line({ host: '127.0.0.1', port, otherPorts, folder, keys });
  const said = await succeed(program, version.parameters, { quiet: true });
  const server = start(program, parameters, { cwd: scratch, env: { ...process.env, ...env } });
  return {
    how: 'on this machine',
    version: version.pattern.exec(said)?.[0],
    ...(await whenReady(server, port, keys)),
  };
}

async function startImage({ image, otherPorts: count = 0, line }, keys) {
  const otherPorts = Array.from({ length: count }, (_, i) => IN_CONTAINER.port + 1 + i);
  const container = await startContainer(image, line({ ...IN_CONTAINER, otherPorts, keys }), IN_CONTAINER);
  return {
    how: 'in a container',
    version: image.slice(image.lastIndexOf(':') + 1),
    ...(await whenReady(container, container.port, keys)),
  };
}

async function whenReady(server, port, keys) {
  const endpoint = `http://127.0.0.1:${port}`;
  const environment = {
    TEST_S3_ENDPOINT: endpoint,
    TEST_S3_ENDPOINTS: endpoint,
    TEST_S3_ACCESS_KEY_ID: keys.accessKeyId,
    TEST_S3_SECRET_ACCESS_KEY: keys.secretAccessKey,
  };
  try {
    await untilItTakesWrites(server, environment);
    return { environment, stop: server.stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function isInPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
