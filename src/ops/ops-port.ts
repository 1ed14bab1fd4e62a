import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { mostUnread } from '../config/body-bytes.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { RefusalLog } from '../http/refusal-log.js';
import { answerClientError } from '../server/client-error.js';
import { Connections } from '../server/connections.js';
import { createHttpServer } from '../server/http-server.js';
import { answerInTurn } from '../server/pipelining.js';

/** The routes of OPS_PORT alone: the metrics, the description of the API, and `/`, which leads there. */
const OPERATIONS = /^\/(?:metrics|docs(?:[-/].*)?)?$/;
/** Each port says whether it can be used. */
const BOTH = '/health/';

/**
 * The second port of the service, if OPS_PORT is set: what operators look at is there and nowhere else. It
 * leads to the same framework, with limits of the same size. It closes last, so that it tells how the service
 * stops.
 */
@Injectable()
export class OpsPort implements OnApplicationShutdown {
  private readonly logger = new Logger(OpsPort.name);
  private server: Server | undefined;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly settings: Settings,
    private readonly connections: Connections,
    private readonly refusals: RefusalLog,
  ) {}

  /** Has each port refuse the routes of the other. Call it before the framework is ready. */
  keepApart(fastify: FastifyInstance): void {
    if (this.settings.opsPort === undefined) return;
    fastify.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
      this.assertHere(raw.socket, routeOptions.url);
      done();
    });
  }

  /** Listens, if OPS_PORT is set. Call it when the application is initialized, before PORT listens. */
  async listen(): Promise<void> {
    const { opsPort: port, host } = this.settings;
    if (port === undefined) return;
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    await fastify.ready();
    const server = this.createServer(fastify);
    server.listen({ port, host });
    await once(server, 'listening');
    this.server = server;
    this.logger.log(`health, metrics and docs at ${urlOf(server)}`);
  }

  async onApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server) return;
    server.close();
    this.connections.closeIdle(server);
    await once(server, 'close');
  }

  private createServer(fastify: FastifyInstance): Server {
    const { settings, connections, refusals } = this;
    const server = createHttpServer(settings, connections, refusals, (request, response) => {
      fastify.routing(request, response);
    });
    server.on('clientError', (error, socket) => {
      answerClientError(error, socket as Socket, refusals, mostUnread(settings));
    });
    answerInTurn(server, (socket) => {
      connections.cut(socket, 'memory');
    });
    return server;
  }

  /**
   * @param route of the request, if there is one
   * @throws CodedError `route_not_found`
   */
  private assertHere(socket: Socket, route: string | undefined): void {
    if (route === undefined || route.startsWith(BOTH)) return;
    const isHere = this.connections.serverOf(socket) === this.server;
    if (OPERATIONS.test(route) === isHere) return;
    throw new CodedError(
      'route_not_found',
      isHere ? 'OPS_PORT has health, metrics and docs only. Ask PORT.' : 'This is at OPS_PORT only.',
    );
  }
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
