import { isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** URLs of the service itself. */
export class PublicUrls {
  /** @param base where browsers reach the service; undefined: the host that the request was sent to */
  constructor(private readonly base: string | undefined) {}

  /** The immutable URL of a picture: the path is `/v1/` and its key. */
  of(request: FastifyRequest, key: string): string {
    return this.at(request, `/v1/${key}`);
  }

  /** @param path with what follows it, as a URL has it */
  at(request: FastifyRequest, path: string): string {
    return `${this.base ?? `${request.protocol}://${request.host || addressOf(request)}`}${path}`;
  }
}

/** Of a request by HTTP/1.0, which need not name a host. */
function addressOf({ raw: { socket } }: FastifyRequest): string {
  const { localAddress = '', localPort } = socket;
  return `${isIPv6(localAddress) ? `[${localAddress}]` : localAddress}:${localPort}`;
}
