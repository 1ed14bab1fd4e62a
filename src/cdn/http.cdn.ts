import { faultOfFetch } from '../tools/fetch-fault.js';
import { Cdn, PurgeFailed } from './cdn.js';
import { PLACEHOLDERS, type PurgeRequest, namedBy } from './purge-request.js';

/** It answers so if it has nothing under the key: 412, and some versions of its module 404. */
const NGINX =
  'An nginx needs CDN_HTTP_URL to end with {path}*, and "proxy_cache_key $uri$is_args$args" beside proxy_cache_purge: docs/cdn.md.';

const ADVICE: Record<number, string> = {
  401: 'Check the token in CDN_HTTP_HEADERS.',
  403: 'Check the token in CDN_HTTP_HEADERS, and what it is allowed to do.',
  404: `Check CDN_HTTP_URL. ${NGINX}`,
  405: 'Check CDN_HTTP_METHOD and CDN_HTTP_URL.',
  412: NGINX,
  429: 'The CDN limits how many purges it takes. Have the limit raised. Visage goes on trying.',
};

/** A CDN that is told by one HTTP request for each tag or path. Any 2xx means that it has accepted. */
export class HttpCdn extends Cdn {
  readonly by: 'tags' | 'paths';
  private readonly origin: string;

  /** @param timeoutMs for one request */
  constructor(
    private readonly template: PurgeRequest,
    private readonly timeoutMs: number,
  ) {
    super();
    this.by = namedBy(template)[0] ?? 'tags';
    this.origin = new URL(template.url.replaceAll(PLACEHOLDERS.paths, '/')).origin;
  }

  async purge(items: readonly string[]): Promise<void> {
    for (const item of items) await this.send(item);
  }

  private async send(item: string): Promise<void> {
    const { method, url, headers, body } = this.template;
    const fill = (text: string) => text.replaceAll(PLACEHOLDERS[this.by], item);
    const filled = Object.entries(headers).map(([name, value]) => [name, fill(value)] as [string, string]);
    let answer: Response;
    try {
      answer = await fetch(fill(url), {
        method,
        headers: filled,
        ...(body !== undefined && { body: fill(body) }),
        // The token is for this host only.
        redirect: 'manual',
        signal: AbortSignal.timeout(this.timeoutMs),
      });
      await answer.body?.cancel();
    } catch (error) {
      throw new PurgeFailed(
        `the CDN at ${this.origin} ${faultOfFetch(error as Error, this.timeoutMs)}`,
        "Check CDN_HTTP_URL, the network, and the CDN's own status.",
      );
    }
    if (answer.ok) return;
    throw new PurgeFailed(
      `the CDN at ${this.origin} answered ${answer.status} to a purge`,
      ADVICE[answer.status] ??
        (answer.status >= 500
          ? "Check the CDN's own status."
          : 'Check CDN_HTTP_URL, CDN_HTTP_METHOD and CDN_HTTP_BODY.'),
    );
  }
}
