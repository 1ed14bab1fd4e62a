import type { RequestListener } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { UploadCounts } from './access/upload-counts.js';
import { describeApi } from './api/openapi/document.js';
import { AppModule } from './app.module.js';
import { mostUnread } from './config/body-bytes.js';
import type { Settings } from './config/settings.js';
import { OPEN, answerPreflights } from './http/cors.js';
import { FailureLog } from './http/failure-log.js';
import { assertHost } from './http/host.js';
import { rememberRoutes } from './http/known-routes.js';
import { assertQuery } from './http/query.js';
import { RefusalLog } from './http/refusal-log.js';
import { requestId } from './http/request-id.js';
import { problemCodeOf } from './http/send-problem.js';
import { NestLogger } from './ops/logging.js';
import { Metrics } from './ops/metrics.js';
import { OpsPort } from './ops/ops-port.js';
import { RequestLog } from './ops/request-log.js';
import { answerClientError } from './server/client-error.js';
import { Connections } from './server/connections.js';
import { answerFrameworkError } from './server/framework-error.js';
import { createHttpServer } from './server/http-server.js';
import { refuseRest } from './server/refuse-rest.js';
import { isForm } from './uploads/upload-receiver.js';

/** The URLs of pictures, which pages of other origins read, and change with a ticket. */
const PICTURES = /^\/(v1\/(avatars\/|sheets(\?|$))|avatar([/?]|$))/;

/** Assembles the service, without listening yet. */
export async function createApp(settings: Settings, logger: Logger): Promise<NestFastifyApplication> {
  const connections = new Connections(settings, logger);
  const mostBytes = mostUnread(settings);
  const failures = new FailureLog();
  const refusals = new RefusalLog(logger);
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      answerFrameworkError(error, request, reply, failures, refusals, mostBytes);
    },
    clientErrorHandler: (error, socket) => {
      answerClientError(error, socket, refusals, mostBytes);
    },
    multipart: false,
    // Requests that arrive while the service stops are answered as usual; their connections end with the
    // answer.
    return503OnClosing: false,
    serverFactory: (handle: RequestListener) => createHttpServer(settings, connections, refusals, handle),
  } as ConstructorParameters<typeof FastifyAdapter>[0]);
  const log = new NestLogger(logger);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with({ settings, connections, failures, refusals, log }),
    adapter,
    { logger: log, bodyParser: false },
  );
  const fastify: FastifyInstance = adapter.getInstance();
  rememberRoutes(fastify);
  takeBodiesRaw(fastify, mostBytes);
  checkRequests(fastify);
  app.get(OpsPort).keepApart(fastify);
  app.get(RequestLog).follow(fastify, logger);
  await app.get(UploadCounts).follow(fastify);
  countRequests(fastify, app.get(Metrics));
  answerPreflights(fastify, PICTURES);
  serveDescription(app, settings.opsPort === undefined ? undefined : settings.serviceBaseUrl);
  return app;
}

/**
 * Leaves every body to the upload receiver, and ends a body that nobody read. Content-Type counts only for
 * forms: the bytes of a bare picture tell its format.
 */
function takeBodiesRaw(fastify: FastifyInstance, mostBytes: number): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isForm(request.raw)) delete request.headers['content-type'];
    done();
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    refuseRest(request, reply, mostBytes);
    done(null, payload);
  });
}

/** Refuses requests without a proper Host or query, and sets the headers that every answer has. */
function checkRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    assertHost(request.raw);
    // `/avatar/` ignores what it doesn't understand, as Gravatar does.
    if (request.url.startsWith('/v1/')) assertQuery(request.url);
    reply.headers({ 'X-Request-Id': request.id, 'X-Content-Type-Options': 'nosniff', ...OPEN });
    done();
  });
}

function countRequests(fastify: FastifyInstance, metrics: Metrics): void {
  fastify.addHook('onResponse', (request, reply, done) => {
    metrics.requestAnswered({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      problem: problemCodeOf(request),
      ms: reply.elapsedTime,
    });
    done();
  });
}

/**
 * Serves the OpenAPI description at `/docs` and `/docs-json`, and redirects `/` there. Another release has
 * another one.
 * @param base where the calls are, if elsewhere
 */
function serveDescription(app: NestFastifyApplication, base: string | undefined): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', ({ url }, reply, done) => {
    if (url === '/' || url.startsWith('/docs')) reply.header('Cache-Control', 'no-cache');
    done();
  });
  // YAML would be written anew for everybody who asks.
  SwaggerModule.setup('docs', app, () => describeApi(app, base), {
    raw: ['json'],
    swaggerOptions: { showExtensions: true },
  });
  fastify.get('/', (_request, reply) => reply.redirect('docs'));
}
