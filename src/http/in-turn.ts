import type { IncomingMessage, Server, ServerResponse } from 'node:http';

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Lets requests that a client sends on one connection without waiting for answers be handled one after the other: Node would begin
 * them all at once, and a delete could overtake the upload before it (RFC 9112, section 9.3.2). To be called once all that listens
 * to the server's requests does.
 */
export function answerInTurn(server: Server): void {
  const listeners = (server.listeners('request') as Listener[]).map((listener) => listener.bind(server));
  const handle: Listener = (request, response) => {
    for (const listener of listeners) listener(request, response);
  };
  server.removeAllListeners('request');
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // A response gets its socket when the one before it has been sent.
    if (response.socket !== null) handle(request, response);
    else {
      response.once('socket', () => {
        handle(request, response);
      });
    }
  });
}
