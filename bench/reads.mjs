import { join } from 'node:path';
import { ask, get, upload } from './http.mjs';
import { hasNginx, startNginx } from './nginx.mjs';
import { ServerProcess, runClient, startService } from './process.mjs';
import { median } from './stats.mjs';
import { ratioRow } from './table.mjs';

const ROUNDS = 4;
const CONNECTIONS = 32;
const SECONDS = 1.5;
const [SERVER_CORE, CLIENT_CORE] = [0, 1];

/** The peers, and how much of their speed is to be reached. nginx reads the file from disk, and is no part of the goal. */
const PEERS = [
  { name: 'bare Fastify', program: 'bench/servers/bare-fastify.mjs', reach: { atLeast: 1 } },
  { name: 'bare node:http', program: 'bench/servers/bare-http.mjs', reach: { atLeast: 0.9 } },
  ...(hasNginx ? [{ name: 'nginx from disk' }] : []),
];

/** What is in memory, sent by one core while the client has another: the service against bare servers. */
export async function measureReads({ folder, photos }) {
  // A rendition of 10 KB or so, as the note of its row tells.
  const path = '/v1/avatars/hot?size=256&format=jpeg';
  const home = join(folder, 'reads');
  const service = await startService(home, {}, { core: SERVER_CORE });
  const peers = [];
  try {
    await upload(service, 'hot', photos.squares[0]);
    const answer = await ask(`${service.url}${path}`);
    const { body, headers } = answer;
    const environment = { SOURCE: `${service.url}${path}` };
    for (const { name, program } of PEERS) {
      const peer = program
        ? await ServerProcess.start(program, environment, { core: SERVER_CORE })
        : await startNginx(answer, { folder: join(home, 'nginx'), core: SERVER_CORE });
      peers.push(peer);
      const sent = await get(`${peer.url}/picture`);
      if (!sent.equals(body)) throw new Error(`${name} sends other bytes`);
    }
    const kilobytes = `${(body.length / 1000).toFixed(1)} KB`;
    const whole = await compare(service, peers, path, { status: 200 });
    const again = { status: 304, headers: { 'If-None-Match': headers.etag } };
    const unchanged = await compare(service, peers, path, again);
    return [
      ...rowsOf('hot GET', whole, kilobytes),
      ...rowsOf('hot 304', unchanged, 'no body'),
      ...(hasNginx ? [] : [{ what: 'nginx from disk', note: 'not measured: no nginx' }]),
    ];
  } finally {
    for (const server of [service, ...peers]) await server.stop();
  }
}

/** @returns for each server, the service first, what each round gave */
async function compare(service, peers, path, wanted) {
  const targets = [[service, path], ...peers.map((peer) => [peer, '/picture'])];
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

function rowsOf(name, [own, ...peers], size) {
  const busy = Math.round(median(own.map((round) => round.busy)) * 100);
  return peers.flatMap((rounds, i) => {
    const { name: other, reach } = PEERS[i];
    const ratios = (figure) => own.map((round, j) => round[figure] / rounds[j][figure]);
    const note = `${size}; the service's core ${busy}% busy`;
    return [
      ratioRow(`${name}: requests per second / ${other}`, ratios('perSecond'), reach, note),
      ratioRow(`${name}: requests per CPU second / ${other}`, ratios('perCpuMs'), reach, note),
    ];
  });
}
