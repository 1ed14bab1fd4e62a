import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { TrustedProxies } from '../config/trusted-proxies.js';
import { parseForwarded } from './forwarded.js';
import { isHost } from './host.js';

/** Where the client sent a request, as it sees it. */
export interface RequestOrigin {
  scheme: 'http' | 'https';
  /** With its port if needed. Undefined: a request of HTTP/1.0 need not name one. */
  host: string | undefined;
}

/** What proxies say about it, as far as it can be used. */
type Said = { [Part in keyof RequestOrigin]: RequestOrigin[Part] | undefined };

/**
 * Tells where clients sent their requests. The headers of proxies count only if TRUST_PROXY names the
 * connection's other end.
 */
@Injectable()
export class RequestOrigins {
  private readonly proxies: TrustedProxies;

  constructor({ trustProxy }: Settings) {
    this.proxies = new TrustedProxies(trustProxy);
  }

  /**
   * A proxy sets `Forwarded` or `X-Forwarded-*`, and passes on the other one as its client wrote it; nothing
   * tells which. So if both are there, only that counts in which they agree.
   */
  of({ headers, socket: { remoteAddress } }: IncomingMessage): RequestOrigin {
    // Visage speaks no TLS itself.
    const own: RequestOrigin = { scheme: 'http', host: headers.host === '' ? undefined : headers.host };
    if (!this.proxies.trusts(remoteAddress, 0)) return own;
    const [one, other] = [this.forwarded(headers, remoteAddress), xForwarded(headers)].filter(
      (said) => said !== undefined,
    );
    if (!one) return own;
    return {
      scheme: (!other || one.scheme === other.scheme ? one.scheme : undefined) ?? own.scheme,
      host: (!other || one.host === other.host ? one.host : undefined) ?? own.host,
    };
  }

  /**
   * What the outermost of our proxies says.
   * @returns undefined if there is no such header
   */
  private forwarded({ forwarded }: IncomingHttpHeaders, nearest: string | undefined): Said | undefined {
    if (forwarded === undefined) return undefined;
    const said: Said = { scheme: undefined, host: undefined };
    for (const { host, proto } of this.proxies.believed(nearest, parseForwarded(forwarded) ?? [])) {
      said.scheme = schemeOf(proto) ?? said.scheme;
      said.host = hostOf(host) ?? said.host;
    }
    return said;
  }
}

/**
 * The last value of each, if there is a list: the nearest proxy has set it or passed it on.
 * @returns undefined if there is no such header
 */
function xForwarded(headers: IncomingHttpHeaders): Said | undefined {
  const lastOf = (name: string) => {
    const value = headers[`x-forwarded-${name}`];
    return String(value ?? '')
      .split(',')
      .at(-1)
      ?.trim();
  };
  if (!['for', 'proto', 'host'].some((name) => headers[`x-forwarded-${name}`] !== undefined))
    return undefined;
  return { scheme: schemeOf(lastOf('proto')), host: hostOf(lastOf('host')) };
}

function schemeOf(proto: string | undefined): RequestOrigin['scheme'] | undefined {
  const scheme = proto?.toLowerCase();
  return scheme === 'http' || scheme === 'https' ? scheme : undefined;
}

function hostOf(host: string | undefined): string | undefined {
  return host !== undefined && isHost(host) ? host.toLowerCase() : undefined;
}
