import { isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../config/settings.js';
import { RequestOrigins } from '../http/request-origins.js';

/**
 * Builds URLs of the service itself: at `SERVICE_BASE_URL` or, if that is not set, at the origin that the
 * request was sent to. An answer with such a URL must not be kept for others: it is `private` or `no-cache`.
 */
@Injectable()
export class PublicUrls {
  constructor(
    private readonly settings: Settings,
    private readonly origins: RequestOrigins,
  ) {}

  /** The immutable URL of a picture: its path is `/v1/` and the key. */
  forKey(request: FastifyRequest, key: string): string {
    return this.at(request, `/v1/${key}`);
  }

  /** @param path with its query, encoded as in a URL */
  at(request: FastifyRequest, path: string): string {
    const { serviceBaseUrl } = this.settings;
    if (serviceBaseUrl !== undefined) return `${serviceBaseUrl}${path}`;
    const { scheme, host } = this.origins.of(request.raw);
    return `${scheme}://${host ?? addressOf(request)}${path}`;
  }
}

/** The address that a request of HTTP/1.0, which need not name a host, was sent to. */
function addressOf({ raw: { socket } }: FastifyRequest): string {
  const { localAddress = '', localPort } = socket;
  return `${isIPv6(localAddress) ? `[${localAddress}]` : localAddress}:${localPort}`;
}
