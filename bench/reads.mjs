import { join } from 'node:path';
import { ask, get, upload } from './http.mjs';
import { ServerProcess, runClient, startService } from './process.mjs';
import { median } from './stats.mjs';
import { ratioRow } from './table.mjs';

const ROUNDS = 4;
const CONNECTIONS = 32;
const SECONDS = 1.5;
const [SERVER_CORE, CLIENT_CORE] = [0, 1];

/** What is in memory, sent by one core while the client has another: the service against bare servers. */
export async function measureReads({ folder, photos }) {
  // A rendition of 10 KB or so, as the note of its row tells.
  const path = '/v1/avatars/hot?size=256&format=jpeg';
  const service = await startService(join(folder, 'reads'), {}, { core: SERVER_CORE });
  const servers = { service };
  try {
    await upload(service, 'hot', photos.squares[0]);
    const { body, headers } = await ask(`${service.url}${path}`);
    const environment = { SOURCE: `${service.url}${path}` };
    for (const name of ['bare-fastify', 'bare-http']) {
      servers[name] = await ServerProcess.start(`bench/servers/${name}.mjs`, environment, {
        core: SERVER_CORE,
      });
      const sent = await get(`${servers[name].url}/picture`);
      if (!sent.equals(body)) throw new Error(`${name} sends other bytes`);
    }
    const kilobytes = `${(body.length / 1000).toFixed(1)} KB`;
    const [fastify, http] = [servers['bare-fastify'], servers['bare-http']];
    const whole = await compare([service, fastify, http], path, { status: 200 });
    const again = { status: 304, headers: { 'If-None-Match': headers.etag } };
    const unchanged = await compare([service, fastify], path, again);
    return [...rowsOf('hot GET', whole, kilobytes), ...rowsOf('hot 304', unchanged, 'no body')];
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

/** @returns for each server, the service first, what each round gave */
async function compare([service, ...bare], path, wanted) {
  const targets = [[service, path], ...bare.map((server) => [server, '/picture'])];
  const results = targets.map(() => []);
  for (let round = -1; round < ROUNDS; round++) {
    const order = targets.map((_, i) => (i + round + 1) % targets.length);
    for (const i of order) {
      const result = await load(...targets[i], wanted);
      // The first round warms up.
      if (round >= 0) results[i].push(result);
    }
  }
  return results;
}

async function load(server, path, wanted) {
  const options = { url: `${server.url}${path}`, connections: CONNECTIONS, seconds: SECONDS, ...wanted };
  const before = server.cpuMs();
  const { requests, perSecond } = await runClient('bench/clients/load.mjs', options, { core: CLIENT_CORE });
  const cpu = server.cpuMs() - before;
  return { perSecond, perCpuMs: requests / cpu, busy: cpu / (SECONDS * 1000) };
}

function rowsOf(name, [own, ...bare], size) {
  const busy = Math.round(median(own.map((round) => round.busy)) * 100);
  return bare.flatMap((rounds, i) => {
    const other = ['bare Fastify', 'bare node:http'][i];
    const reach = i === 0 ? { atLeast: 1 } : undefined;
    const ratios = (figure) => own.map((round, j) => round[figure] / rounds[j][figure]);
    const note = `${size}; the service's core ${busy}% busy`;
    return [
      ratioRow(`${name}: requests per second / ${other}`, ratios('perSecond'), reach, note),
      ratioRow(`${name}: requests per CPU second / ${other}`, ratios('perCpuMs'), reach, note),
    ];
  });
}
