import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Stands in front of an S3 server, counts the calls about avatars, and delays every call if told to. */
export class BucketProxy {
  /** Calls about avatars so far, such as `GET manifests/alice.json`. Probes of the bucket are none; deleting many objects is one. */
  calls = [];
  /** How long each call waits before it is passed on, in ms. */
  delayMs = 0;
  #pending = 0;
  #agent = new Agent({ keepAlive: true });
  #server = createServer((incoming, outgoing) => {
    this.#pass(incoming, outgoing).catch((error) => outgoing.destroy(error));
  });

  /** @param {string} endpoint of the server, path style */
  static async start(endpoint) {
    const proxy = new BucketProxy(endpoint);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  constructor(endpoint) {
    this.endpoint = new URL(endpoint);
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Resolves when no call has come for so long, and none is under way. */
  async quiet(ms) {
    for (let seen = -1; seen !== this.calls.length || this.#pending > 0; await sleep(ms))
      seen = this.calls.length;
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #pass(incoming, outgoing) {
    const { method, headers } = incoming;
    const { pathname, searchParams } = new URL(incoming.url, this.endpoint);
    const [, , ...key] = decodeURIComponent(pathname).split('/');
    const prefix = searchParams.get('prefix');
    const about = key.join('/') || prefix || (searchParams.has('delete') ? 'avatars/' : '');
    if (/^(avatars|manifests|aliases)\//.test(about)) {
      this.calls.push(`${prefix !== null ? 'LIST' : method === 'POST' ? 'DELETE many' : method} ${about}`);
    }
    this.#pending++;
    outgoing.once('close', () => this.#pending--);
    if (this.delayMs > 0) await sleep(this.delayMs);
    const { hostname, port } = this.endpoint;
    const passed = request({ hostname, port, path: incoming.url, method, headers, agent: this.#agent });
    incoming.pipe(passed);
    const [answer] = await once(passed, 'response');
    outgoing.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(outgoing);
  }
}
