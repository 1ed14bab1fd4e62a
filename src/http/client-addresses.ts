import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { TrustedProxies } from '../config/trusted-proxies.js';
import { type ForwardedElement, parseForwarded, parseNode } from './forwarded.js';

/** Longer headers count as malformed, in characters. An address has some 15 to 45. */
const MAX_CHARACTERS = 4096;

/**
 * Tells which address a request came from. The headers of proxies count only if TRUST_PROXY names whoever
 * wrote them.
 */
@Injectable()
export class ClientAddresses {
  private readonly proxies: TrustedProxies;

  constructor({ trustProxy }: Settings) {
    this.proxies = new TrustedProxies(trustProxy);
  }

  /**
   * As with `RequestOrigins`, nothing tells which of the two headers our proxy wrote: if they disagree,
   * neither counts.
   * @returns the client's address, or that of the last proxy that says where it got the request from
   */
  of({ headers, socket }: IncomingMessage): string {
    const { forwarded, 'x-forwarded-for': xForwardedFor } = headers;
    const nearest = socket.remoteAddress ?? '';
    const [one, other = one] = [
      ...(forwarded === undefined ? [] : [parseForwarded(forwarded) ?? []]),
      ...(xForwardedFor === undefined ? [] : [elementsOf(String(xForwardedFor))]),
    ].map((said) => plain(this.outermost(nearest, said)));
    return one !== undefined && one === other ? one : plain(nearest);
  }

  private outermost(nearest: string, said: readonly Pick<ForwardedElement, 'address'>[]): string {
    let outermost = nearest;
    for (const { address } of this.proxies.believed(nearest, said)) {
      if (address === undefined) break;
      outermost = address;
    }
    return outermost;
  }
}

/** Unlike in `Forwarded`, addresses of IPv6 have no brackets, unless there is a port. */
function elementsOf(xForwardedFor: string): Pick<ForwardedElement, 'address'>[] {
  if (xForwardedFor.length > MAX_CHARACTERS) return [];
  const nodes = xForwardedFor.split(',').map((node) => node.trim());
  return nodes.map((node) => (isIP(node) === 0 ? (parseNode(node) ?? {}) : { address: node }));
}

/** An address of IPv4 as it is also if the socket is one of IPv6 (RFC 4291, section 2.5.5.2). */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
