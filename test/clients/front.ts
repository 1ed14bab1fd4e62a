import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listenSomewhere } from '../support/ports.js';

/** A call, and what came back. */
export interface Exchange {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: Buffer;
  status: number;
  answer: { headers: IncomingMessage['headers']; body: Buffer };
}

/** What becomes of a call. */
export type Fault =
  /** The service carries it out, and the connection is lost before the answer. */
  | 'lost answer'
  /** The connection is lost before the service sees it. */
  | 'lost'
  /** There is no answer. */
  | 'silence'
  /** An answer of somebody else. */
  | { status: number; headers: Record<string, string>; body: string };

/** Stands between a client and the service: it remembers what passes, and spoils what it is told to. */
export class Front {
  readonly exchanges: Exchange[] = [];
  /** For the next calls, in this order. */
  readonly faults: Fault[] = [];
  /** How many calls came. */
  calls = 0;
  url = '';
  private readonly server: Server;

  private constructor(private readonly service: string) {
    this.server = createServer((incoming, outgoing) => {
      this.handle(incoming, outgoing).catch(() => incoming.socket.destroy());
    });
  }

  static async open(service: string): Promise<Front> {
    const front = new Front(service);
    front.url = `http://127.0.0.1:${await listenSomewhere(front.server)}`;
    return front;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    // Browsers ask whether they may call. That is no call.
    const isCall = incoming.method !== 'OPTIONS';
    if (isCall) this.calls++;
    const fault = isCall ? this.faults.shift() : undefined;
    const body = await buffer(incoming);
    if (fault === 'silence') return;
    if (fault === 'lost') {
      incoming.socket.resetAndDestroy();
      return;
    }
    if (typeof fault === 'object') {
      outgoing.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const { method = '', url = '', headers } = incoming;
    const forwarded = request(this.service + url, { method, headers, agent: false });
    // `once` handles errors until there is an answer; after that, its reader does.
    forwarded.on('error', () => undefined);
    forwarded.end(body);
    const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
    const { statusCode: status = 0 } = answer;
    const back = { headers: answer.headers, body: await buffer(answer) };
    this.exchanges.push({ method, url: new URL(url, this.service), headers, body, status, answer: back });
    if (fault === 'lost answer') incoming.socket.resetAndDestroy();
    else outgoing.writeHead(status, ofAnswer(back)).end(back.body);
  }
}

/** This connection is another than the service's. */
function ofAnswer({ headers, body }: Exchange['answer']): IncomingMessage['headers'] {
  const dropped = ['connection', 'keep-alive', 'transfer-encoding'];
  const kept = Object.entries(headers).filter(([name]) => !dropped.includes(name));
  return { ...Object.fromEntries(kept), ...(body.length > 0 && { 'content-length': String(body.length) }) };
}
