import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The connections of a server, so that they can be ended without cutting off a request that was accepted. What Node offers
 * for it (`closeIdleConnections`) counts a connection as busy on which nothing was sent yet, or half of some headers.
 */
export class Connections {
  /** Requests that are being answered on each. */
  private readonly open = new Map<Socket, number>();
  private winding = false;

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.open.set(socket, 0);
      socket.once('close', () => this.open.delete(socket));
    });
    server.prependListener('request', ({ socket }, response) => {
      this.count(socket, 1);
      response.once('close', () => {
        this.count(socket, -1);
      });
      if (this.winding) response.setHeader('Connection', 'close');
    });
  }

  /** From now on the answer to a request is the last one on its connection. */
  windDown(): void {
    this.winding = true;
  }

  /** Ends every connection on which no request is being answered, nor the end of an answer still on its way. */
  closeIdle(): void {
    for (const [socket, requests] of this.open) {
      if (requests === 0 && socket.writableLength === 0) socket.destroy();
    }
  }

  private count(socket: Socket, change: 1 | -1): void {
    const requests = this.open.get(socket);
    if (requests !== undefined) this.open.set(socket, requests + change);
  }
}
