import { once } from 'node:events';
import { type Server, connect, createServer } from 'node:net';

/** Below the range of outgoing connections (32768 on Linux), so that none takes the port of a server that is stopped for a while. */
const FIRST = 20_000;
const LAST = 31_999;
const PER_WORKER = 3000;

/** The ports of this Jest worker; no other worker asks for them. */
const OWN = FIRST + (((Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) * PER_WORKER) % (LAST + 1 - FIRST));

/** The last port given out. Later workers, and other runs on this machine, begin elsewhere. */
let last = OWN + (process.pid % PER_WORKER);

/**
 * Makes a server listen on a port of its own.
 * @returns the port; it is not given out again for a long time
 */
export async function listenSomewhere(server: Server): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = OWN + ((last + 1 - OWN) % PER_WORKER);
    last = port;
    try {
      const listening = once(server, 'listening');
      server.listen(port, '127.0.0.1');
      await listening;
      return port;
    } catch (error) {
      if (attempt === PER_WORKER) throw error;
    }
  }
}

/** A port on which nothing listens. It is not given out again for a long time. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenSomewhere(server);
  const closed = once(server, 'close');
  server.close();
  await closed;
  return port;
}

/** Whether anything listens on a port of this machine. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
