import { type IncomingHttpHeaders, type Server, createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listenSomewhere } from './ports.js';
import { until } from './until.js';

export interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** How a request is answered; `hang`: not at all. */
export type Answering = { status: number; body?: string; headers?: Record<string, string> } | 'hang';

/** A server that writes down what it is asked, such as the API by which a CDN is purged. */
export class RecordingServer {
  /** Every request, in the order of arrival. */
  readonly asked: Asked[] = [];
  /** Decides how a request is answered; it may wait. */
  answering: (asked: Asked) => Answering | Promise<Answering> = () => ({ status: 200 });

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<RecordingServer> {
    const server = createServer();
    const recording = new RecordingServer(server, `http://127.0.0.1:${await listenSomewhere(server)}`);
    server.on('request', (request, response) => {
      void (async () => {
        const { method = '', url = '', headers } = request;
        const asked = { method, url, headers, body: (await buffer(request)).toString() };
        recording.asked.push(asked);
        const answer = await recording.answering(asked);
        if (answer !== 'hang') response.writeHead(answer.status, answer.headers).end(answer.body);
      })();
    });
    return recording;
  }

  /** The requests whose URL or body has this text. */
  about(text: string): Asked[] {
    return this.asked.filter(({ url, body }) => url.includes(text) || body.includes(text));
  }

  /** Waits until this many of them have arrived. */
  async gets(count: number, text: string): Promise<Asked[]> {
    await until(() => this.about(text).length >= count, `${count} requests about ${text}`);
    return this.about(text);
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
