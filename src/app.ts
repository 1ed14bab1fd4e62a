import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { Settings } from './config/settings.js';
import { answerClientError, refuseExpectation } from './http/client-error.js';
import { assertHost } from './http/host.js';
import { rememberRoutes } from './http/known-routes.js';
import { ProblemFilter, sendProblem } from './http/problem.filter.js';
import { isForm } from './http/upload.js';
import { observe } from './observe.js';
import { NestLogger } from './ops/logging.js';

/** Longer than any path that there is; what is longer is nobody's but an attacker's. */
const LOGGED_PATH_CHARACTERS = 300;

/** Assembles the service; it does not listen yet. */
export async function createApp(settings: Settings, logger: Logger): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: sendProblem,
    clientErrorHandler: answerClientError,
    multipart: false,
    // A request that still comes in while closing is answered as any other; its connection ends with the answer.
    return503OnClosing: false,
    // Fastify turns off what Node has against slow requests. The upload's own deadline comes first and answers.
    requestTimeout: settings.uploadTimeoutMs + settings.requestHeadersTimeoutMs,
    http: {
      headersTimeout: settings.requestHeadersTimeoutMs,
      connectionsCheckingInterval: Math.min(settings.requestHeadersTimeoutMs, 5000),
    },
  } as ConstructorParameters<typeof FastifyAdapter>[0]);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(settings), adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
  });
  rememberRoutes(adapter.getInstance());
  takeBodiesRaw(adapter.getInstance());
  logRequests(adapter.getInstance(), logger);
  adapter.getInstance().server.on('checkExpectation', refuseExpectation);
  observe(app);
  app.useGlobalFilters(new ProblemFilter());
  describeApi(app);
  return app;
}

/** An id that a proxy gave, if it is harmless in a log; else a new one. */
function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given) ? given : randomUUID();
}

/** Bodies are uploads, which their receiver reads; and of what type a bare picture is, its bytes say and not its header. */
function takeBodiesRaw(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isForm(request.raw)) delete request.headers['content-type'];
    assertHost(request.raw);
    done();
  });
}

/** A line for every change and every failure; readers only with LOG_LEVEL=debug, since they are many. */
function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('X-Request-Id', request.id);
    // What anybody may read, pages of other origins may read too.
    if (request.method === 'GET' || request.method === 'HEAD')
      reply.header('Access-Control-Allow-Origin', '*');
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, log } = request;
    const reading = method === 'GET' || method === 'HEAD';
    const level = reading && reply.statusCode < 500 ? 'debug' : 'info';
    if (logger.isLevelEnabled(level)) {
      const path = request.url.split('?', 1)[0]?.slice(0, LOGGED_PATH_CHARACTERS);
      log[level]({ method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request');
    }
    done();
  });
}

function describeApi(app: NestFastifyApplication): void {
  const description = new DocumentBuilder()
    .setTitle('Visage')
    .setDescription('Avatars: upload, get, delete, exists and URL.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'one of the keys of API_KEYS' })
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, description));
}
