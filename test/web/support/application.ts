import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { bearer } from '../../support/api-keys.js';
import { AvatarClient } from '../../support/avatar-client.js';
import { listenSomewhere } from '../../support/ports.js';
import type { RunningService } from '../../support/service.js';
import { type TicketTerms, ticketTextFrom } from '../../support/tickets.js';

/**
 * A main application with a page for the element, under the strictest Content-Security-Policy that it works with. Its key is `app`.
 * The query of the page says what is in it: `attributes` of the element, `html` around it, with `{}` in its place, and `lang`.
 */
export class Application {
  /** What its tickets are for. */
  terms: TicketTerms = {};
  /** Tickets that it gives before it makes one. */
  readonly stale: string[] = [];
  /** How many tickets it was asked for. */
  asked = 0;
  private readonly server: Server;
  private port = 0;

  constructor(private readonly service: RunningService) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  async start(): Promise<this> {
    this.port = await listenSomewhere(this.server);
    return this;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The address of a page about an avatar. */
  page(id: string, query: Record<string, string> = {}): string {
    return `${this.origin}/${id}?${new URLSearchParams(query).toString()}`;
  }

  /** A ticket for the pages of this application. */
  ticketFor(id: string, terms: TicketTerms = {}): Promise<string> {
    return ticketTextFrom(this.client(id), { origin: this.origin, ...terms });
  }

  /** What it does itself. */
  client(id: string): AvatarClient {
    return new AvatarClient(this.service.url, id, bearer('app'));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.origin);
    const [, id = '', action] = pathname.split('/');
    if (action === 'ticket') {
      this.asked++;
      const ticket = this.stale.shift() ?? (await this.ticketFor(id, this.terms));
      response.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ ticket }));
    } else if (action === 'save') {
      const uploaded = await this.passOn(id, request);
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(await uploaded.text());
    } else if (id === 'favicon.ico') {
      response.writeHead(204).end();
    } else {
      const policy = this.policy();
      response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': policy });
      response.end(this.html(id, searchParams));
    }
  }

  /** Sends the body of a form on as it comes. */
  private passOn(id: string, request: IncomingMessage): Promise<Response> {
    const headers = { ...bearer('app'), 'Content-Type': request.headers['content-type'] ?? '' };
    const init = { method: 'POST', headers, body: request as unknown as ReadableStream, duplex: 'half' };
    return fetch(`${this.service.url}/v1/avatars/${id}`, init);
  }

  private policy(): string {
    const visage = this.service.url;
    return [
      "default-src 'none'",
      `script-src ${visage}`,
      `connect-src 'self' ${visage}`,
      `img-src ${visage}`,
      "form-action 'self'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join('; ');
  }

  private html(id: string, query: URLSearchParams): string {
    const attributes = query.get('attributes') ?? `ticket-url="/${id}/ticket" avatar-id="${id}"`;
    const element = `<visage-avatar-upload ${attributes}></visage-avatar-upload>`;
    const body = (query.get('html') ?? '{}').replace('{}', element);
    const script = `<script type="module" src="${this.service.url}/ui/visage.js"></script>`;
    const head = `<meta charset="utf-8"><title>Profile</title>${script}`;
    return `<!doctype html><html lang="${query.get('lang') ?? 'en'}"><head>${head}</head><body><main>${body}</main></body></html>`;
  }
}
