import { createServer } from 'node:http';
import { type Browser, type Page } from 'playwright-core';
import { bearer, item } from '../support/api-keys.js';
import { AvatarClient, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { listenSomewhere } from '../support/ports.js';
import { type RunningService, startService } from '../support/service.js';
import { SIGNING_KEY, type TicketTerms, ticketFrom } from '../support/tickets.js';
import { needs } from '../support/tools.js';
import { openChromium } from './support/chromium.js';

/** What a script of a page is told of a call. */
interface Told {
  status: number;
  etag: string | null;
  json: { version?: string; code?: string; current?: string | null };
}

needs('chromium')('a ticket in Chromium', () => {
  let service: RunningService;
  let browser: Browser;
  let page: Page;
  /** Of one site by two names, which are two origins, and a page of it that has none. */
  let [app, third, none] = ['', '', ''];
  const site = createServer(({ url }, response) => {
    if (url === '/none') response.setHeader('Content-Security-Policy', 'sandbox allow-scripts');
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>page</title>');
  });

  beforeAll(async () => {
    const port = await listenSomewhere(site);
    [app, third] = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
    none = `${app}/none`;
    service = await startService({
      ...(await local.environment()),
      API_KEYS: item('app', 'read+write'),
      SIGNING_KEYS: SIGNING_KEY,
      TRUST_PROXY: '127.0.0.1',
    });
    browser = await openChromium();
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    site.close();
    await service.stop();
  });

  const pathOf = (id: string) => `${service.url}/v1/avatars/${id}`;
  const ticketOf = (id: string, terms: TicketTerms) =>
    ticketFrom(new AvatarClient(service.url, id, bearer('app')), terms);

  /** Has a page of an origin make a call, as its own script would. @returns undefined if the browser tells it nothing */
  async function call(
    from: string,
    url: string,
    method: string,
    headers: Record<string, string>,
    body?: Buffer | object,
  ): Promise<Told | undefined> {
    await page.goto(from);
    const sent = Buffer.isBuffer(body) ? [...body] : body && JSON.stringify(body);
    return page.evaluate(
      async ([to, how, withHeaders, bytes]) => {
        try {
          const answer = await fetch(to, {
            method: how,
            headers: withHeaders,
            ...(bytes !== undefined && { body: typeof bytes === 'string' ? bytes : new Uint8Array(bytes) }),
          });
          const text = await answer.text();
          const json = (text === '' ? {} : JSON.parse(text)) as Told['json'];
          return { status: answer.status, etag: answer.headers.get('etag'), json };
        } catch {
          return undefined;
        }
      },
      [url, method, headers, sent] as const,
    );
  }

  it('uploads, removes and restores from the origin that it is for, and tells the page all of it', async () => {
    const url = pathOf('alice');
    const ticket = await ticketOf('alice', { may: ['upload', 'remove', 'restore'], origin: app });
    const uploaded = await call(app, url, 'PUT', ticket, await numbered(1));
    const version = uploaded?.json.version ?? '';
    expect(uploaded).toMatchObject({ status: 201, etag: `"${version}"` });
    expect(await call(app, url, 'DELETE', { ...ticket, 'If-Match': `"${version}"` })).toMatchObject({
      status: 204,
    });
    expect((await call(app, `${url}/versions`, 'GET', ticket))?.json).toMatchObject({ current: null });
    expect(await call(app, `${url}/current`, 'PUT', ticket, { version })).toMatchObject({ status: 200 });
    expect(await call(app, url, 'PUT', ticket, await numbered(2))).toMatchObject({
      status: 409,
      json: { code: 'ticket_used' },
    });
  });

  it('is refused from a third origin and from none, which may read why', async () => {
    const ticket = await ticketOf('bob', { origin: app });
    const refused = { status: 403, json: { code: 'foreign_origin' } };
    for (const from of [third, none]) {
      expect(await call(from, pathOf('bob'), 'PUT', ticket, await numbered(1))).toMatchObject(refused);
    }
    expect(await call(app, pathOf('bob'), 'PUT', ticket, await numbered(1))).toMatchObject({ status: 201 });
  });

  it('is not the own of a page that says it is one of the service', async () => {
    const ticket = await ticketOf('claimed', { origin: app });
    const claims = { 'X-Forwarded-Host': new URL(third).host, 'X-Forwarded-Proto': 'http' };
    for (const headers of [claims, { Forwarded: `host="${new URL(third).host}";proto=http` }]) {
      const upload = call(third, pathOf('claimed'), 'PUT', { ...ticket, ...headers }, await numbered(1));
      expect(await upload).toBeUndefined();
    }
    expect((await fetch(pathOf('claimed'))).status).toBe(404);
  });

  it('works from every origin, from none and from its own service, if it is for all', async () => {
    for (const [i, from] of [third, none, `${service.url}/docs`].entries()) {
      const ticket = await ticketOf(`anybody-${i}`, {});
      const upload = call(from, pathOf(`anybody-${i}`), 'PUT', ticket, await numbered(1));
      expect([from, (await upload)?.status]).toEqual([from, 201]);
    }
  });

  it('is used as a form as well, with what the form says', async () => {
    const ticket = await ticketOf('form', { origin: app });
    await page.goto(app);
    const alt = await page.evaluate(
      async ([to, headers, bytes]) => {
        const form = new FormData();
        form.set('file', new Blob([new Uint8Array(bytes)]), 'me.png');
        form.set('alt', 'me');
        const answer = await fetch(to, { method: 'POST', headers, body: form });
        return ((await answer.json()) as { alt?: string }).alt;
      },
      [pathOf('form'), ticket, [...(await numbered(1))]] as const,
    );
    expect(alt).toBe('me');
  });
});
