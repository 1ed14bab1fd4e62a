import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { RequestOrigins } from './request-origins.js';
import { isSafe } from './safe-methods.js';

/**
 * Keeps pages of other origins from changing what needs no key. A browser sends a form of any page to any
 * address that it reaches, such as a developer's own machine, without asking first.
 */
@Injectable()
export class ForeignPages {
  private readonly base: string | undefined;

  constructor(
    private readonly origins: RequestOrigins,
    { serviceBaseUrl }: Settings,
  ) {
    this.base = serviceBaseUrl === undefined ? undefined : new URL(serviceBaseUrl).origin;
  }

  /**
   * Lets everything pass that is no browser's: browsers send `Origin` or `Sec-Fetch-Site` with each change.
   * @throws CodedError `foreign_origin`
   */
  assertOwn(request: IncomingMessage): void {
    const { method = '', headers } = request;
    const { origin, 'sec-fetch-site': site } = headers;
    if (isSafe(method)) return;
    const own =
      origin === undefined
        ? site === undefined || site === 'same-origin' || site === 'none'
        : this.isOwn(origin, request);
    if (own) return;
    throw new CodedError(
      'foreign_origin',
      'Without API_KEYS, Visage takes no changes from web pages of other origins. Set API_KEYS, or call it from your server ' +
        'without the header Origin. If it is its own page, set PUBLIC_BASE_URL to the address in the browser.',
    );
  }

  /**
   * Lets pages of one origin pass, Visage's own, and everything that is no browser's.
   * @param wanted the origin
   * @throws CodedError `foreign_origin`
   */
  assertFrom(wanted: string, request: IncomingMessage): void {
    const { origin } = request.headers;
    if (origin === undefined || origin === wanted || this.isOwn(origin, request)) return;
    throw new CodedError(
      'foreign_origin',
      'This ticket is for pages of another origin. Make it with the origin of the page that uses it, as the browser sends it in Origin.',
    );
  }

  private isOwn(origin: string, request: IncomingMessage): boolean {
    return origin === this.base || origin === this.originOf(request);
  }

  /** @returns undefined if a page of somebody else may have it */
  private originOf(request: IncomingMessage): string | undefined {
    const { scheme, host = '' } = this.origins.of(request);
    const written = `${scheme}://${host}`;
    if (!URL.canParse(written)) return undefined;
    const { origin, hostname } = new URL(written);
    return scheme === 'https' || isOurs(hostname) ? origin : undefined;
  }
}

/**
 * Whether a name can't be one of somebody else's domain that leads here (DNS rebinding). With https, the
 * browser has seen the certificate of the name.
 */
function isOurs(hostname: string): boolean {
  return (
    !hostname.includes('.') || hostname.endsWith('.localhost') || hostname.startsWith('[') || isIPv4(hostname)
  );
}
