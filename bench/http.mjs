import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const agent = new Agent({ keepAlive: true });

/**
 * One request by node:http, since fetch itself would take a tenth of the time.
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: Buffer }} [options]
 * @returns {Promise<{ status: number, headers: import('node:http').IncomingHttpHeaders, body: Buffer }>}
 */
export function ask(url, { method = 'GET', headers, body } = {}) {
  return new Promise((resolve, reject) => {
    const length = body && { 'Content-Length': body.length };
    request(url, { method, agent, headers: { ...headers, ...length } }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on('error', reject)
      .end(body);
  });
}

/** A connection of its own that asks by itself: of many answers at once, node:http takes longer to read one than the service to give it. */
export class Connection {
  /** @param {string} url of the service */
  static async open(url) {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Connection(socket);
  }

  constructor(socket) {
    this.socket = socket;
  }

  /** @returns once all of the body is there @throws Error unless it is answered with 200 */
  async get(url) {
    const { host, pathname, search } = new URL(url);
    this.socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    let head = '';
    let bytes = 0;
    let end = Infinity;
    while (bytes < end) {
      const [chunk] = await once(this.socket, 'data');
      bytes += chunk.length;
      if (end < Infinity) continue;
      head += chunk.toString('latin1');
      const [all, length] = /^HTTP\/1\.1 200 .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n/is.exec(head) ?? [];
      if (all) end = all.length + Number(length);
      else if (head.includes('\r\n\r\n')) throw new Error(`GET ${url}: ${head.slice(0, 20)}`);
    }
  }

  close() {
    this.socket.destroy();
  }
}

/** @returns the body @throws Error unless it is answered with 200 */
export async function get(url) {
  const { status, body } = await ask(url);
  if (status !== 200) throw new Error(`GET ${url}: ${status}`);
  return body;
}

/** Uploads a picture. @returns the version's name @throws Error unless it is a new version */
export async function upload(service, id, bytes) {
  const { status, body } = await ask(`${service.url}/v1/avatars/${id}`, { method: 'PUT', body: bytes });
  if (status !== 201) throw new Error(`PUT ${id}: ${status} ${body}`);
  return JSON.parse(body).version;
}

/**
 * What a service says of itself now.
 * @returns {Promise<(name: string, labels?: Record<string, string>) => number>} the sum of the samples of that name with these labels,
 * among others
 */
export async function scrape(service) {
  const lines = (await get(`${service.url}/metrics`)).toString().split('\n');
  return (name, labels = {}) => {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const samples = lines.filter(
      (line) =>
        (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) &&
        wanted.every((label) => line.includes(label)),
    );
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  };
}

/** Calls to the store that requests caused: a scrape itself has the store checked. */
export function storeCalls(metrics) {
  const name = 'visage_store_call_duration_seconds_count';
  return metrics(name) - metrics(name, { operation: 'check' });
}
