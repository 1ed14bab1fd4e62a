import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the range of outgoing connections, and below the ports of the tests (test/support/ports.ts). */
const [FIRST, END] = [10_000, 15_000];

/** @returns {Promise<number[]>} different ports on which nothing listens */
export async function freePorts(count) {
  const servers = [];
  while (servers.length < count) {
    const server = createServer();
    // Both end the wait: `once` throws for an error.
    const listening = once(server, 'listening');
    server.listen(randomInt(FIRST, END), '127.0.0.1');
    try {
      await listening;
      servers.push(server);
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
