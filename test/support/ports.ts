import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** One that nothing listens at; below the range of outgoing connections, so that none takes it while a replica is away. */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    try {
      const listening = once(server, 'listening');
      server.listen(port, '127.0.0.1');
      await listening;
      const closed = once(server, 'close');
      server.close();
      await closed;
      return port;
    } catch (error) {
      if (attempt === 100) throw error;
    }
  }
}

/** Whether somebody listens at a port of this machine. */
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
