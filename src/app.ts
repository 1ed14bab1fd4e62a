import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { AppModule } from './app.module.js';
import type { Settings } from './config/settings.js';
import { answerClientError, refuseExpectation } from './http/client-error.js';
import { Connections } from './http/connections.js';
import { OPEN, answerPreflights } from './http/cors.js';
import { assertHost } from './http/host.js';
import { rememberRoutes } from './http/known-routes.js';
import { isLeftOut, problemCodeOf, refuseEarly, tellLeftOut } from './http/problem.filter.js';
import { refuseRest } from './http/refuse-rest.js';
import { requestId } from './http/request-id.js';
import { NestLogger, loggedPath } from './ops/logging.js';
import { SHUTDOWN_SIGNALS } from './server.js';
import { FORM_OVERHEAD_BYTES, isForm } from './uploads/upload-receiver.js';

/** Longer than any path that there is; what is longer is nobody's but an attacker's. */
const LOGGED_PATH_CHARACTERS = 300;

/** Assembles the service. It does not listen yet. */
export async function createApp(settings: Settings, logger: Logger): Promise<NestFastifyApplication> {
  const connections = new Connections(settings, logger);
  // As much as an upload may have, so that a client that is refused may send it all before it looks at the answer.
  const mostUnread = settings.avatarMaxSizeBytes + FORM_OVERHEAD_BYTES;
  const adapter = new FastifyAdapter({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      refuseEarly(error, request, reply, mostUnread);
    },
    clientErrorHandler: (error, socket) => {
      answerClientError(error, socket, logger, mostUnread);
    },
    multipart: false,
    // A request that still comes in while closing is answered as any other; its connection ends with the answer.
    return503OnClosing: false,
    // Bodies have deadlines of their own, which know who keeps whom waiting, and a body that nobody reads ends with the answer.
    requestTimeout: 0,
    http: {
      ServerResponse: connections.answers.responseClass(),
      requestTimeout: 0,
      headersTimeout: settings.requestHeadersTimeoutMs,
      // We say what is wrong, see assertHost.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(settings.requestHeadersTimeoutMs, 5000),
    },
  } as ConstructorParameters<typeof FastifyAdapter>[0]);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(settings, connections),
    adapter,
    {
      logger: new NestLogger(logger),
      bodyParser: false,
    },
  );
  rememberRoutes(adapter.getInstance());
  takeBodiesRaw(adapter.getInstance(), mostUnread);
  logRequests(adapter.getInstance(), logger);
  answerPreflights(adapter.getInstance());
  const server = app.getHttpServer();
  server.on('checkExpectation', (request, response) => {
    refuseExpectation(request, response, logger, mostUnread);
  });
  // How long they are together is limited; of more than so many Node would drop some without a word, such as an If-Match.
  server.maxHeadersCount = 0;
  app.enableShutdownHooks([...SHUTDOWN_SIGNALS], { useProcessExit: true });
  describeApi(app);
  return app;
}

/** Bodies are uploads, which their receiver reads; and of what type a bare picture is, its bytes say and not its header. */
function takeBodiesRaw(fastify: FastifyInstance, mostUnread: number): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isForm(request.raw)) delete request.headers['content-type'];
    assertHost(request.raw);
    done();
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    refuseRest(request, reply, mostUnread);
    done(null, payload);
  });
}

/**
 * A line for every change, and for a read that fails unless another failed like it just before; for all reads only with
 * LOG_LEVEL=debug, since they are many.
 */
function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers({ 'X-Request-Id': request.id, 'X-Content-Type-Options': 'nosniff' });
    if (request.method === 'GET' || request.method === 'HEAD') reply.headers(OPEN);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const { method, log } = request;
    const reading = method === 'GET' || method === 'HEAD';
    const level = reading && (reply.statusCode < 500 || isLeftOut(request)) ? 'debug' : 'info';
    if (logger.isLevelEnabled(level)) {
      const path = loggedPath(request.url.split('?', 1)[0]?.slice(0, LOGGED_PATH_CHARACTERS) ?? '');
      const [status, code, ms] = [reply.statusCode, problemCodeOf(request), Math.round(reply.elapsedTime)];
      log[level]({ method, path, status, ...(code !== undefined && { code }), ms }, 'request');
    }
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    tellLeftOut();
    done();
  });
}

/** At `/docs`, which is where the root leads. */
function describeApi(app: NestFastifyApplication): void {
  const description = new DocumentBuilder()
    .setTitle('Visage')
    .setDescription('Avatars: upload, get, delete, exists and URL.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'one of the keys of API_KEYS' })
    .build();
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, description));
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get('/', (_request, reply) => reply.redirect('docs'));
}
