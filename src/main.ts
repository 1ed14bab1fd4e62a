import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Logger, pino } from 'pino';
import { createApp } from './app.js';
import { InvalidSettings, loadSettings } from './config/load-settings.js';
import type { Settings } from './config/settings.js';
import { HotAnswers } from './delivery/hot-answers.js';
import { Connections } from './http/connections.js';
import { answerInTurn } from './http/in-turn.js';
import { HealthController } from './ops/health.controller.js';
import { LOG_HOOKS } from './ops/logging.js';
import { preferMainThread } from './ops/thread-priority.js';
import { prepareSpool } from './uploads/spooled-upload.js';

// Uploads pass through memory as short-lived buffers, which V8 counts as growth of its heap: it would mark all that lives
// after every third upload, for a fifth of the time that uploads take.
setFlagsFromString('--heap-growing-percent=100');

// Objects, the outbox and uploads on their way are for this user of the machine only.
process.umask(0o077);

async function main(): Promise<void> {
  const { settings, complaints } = loadSettings(process.env);
  const logger = pino({ level: settings.logLevel, hooks: LOG_HOOKS });
  for (const complaint of complaints) logger.error(complaint);
  if (settings.apiKeys.length === 0) {
    logger.warn('API_KEYS is not set: anybody who reaches the service can change avatars');
  }
  await prepareSpool(settings.uploadSpoolPath);
  const connections = new Connections(settings, logger);
  const app = await createApp(settings, connections, logger);
  try {
    preferMainThread();
  } catch (error) {
    logger.warn(
      { err: error },
      'reads may be slow while uploads are worked on: threads have no priorities here',
    );
  }
  connections.watch(app.getHttpServer());
  setInterval(
    () => {
      connections.cutStalled(performance.now());
    },
    Math.min(1000, settings.answerTimeoutMs / 4),
  ).unref();
  // After all else, so that what it answers at once costs nothing but its turn.
  app.get(HotAnswers).standBefore(app.getHttpServer());
  answerInTurn(app.getHttpServer(), (socket) => {
    connections.cut(socket, 'memory');
  });
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // It may come twice, by way of a parent and from whoever stops all of a group.
      if (stopping) return;
      stopping = true;
      logger.info({ signal }, 'stopping: what was accepted is finished first');
      setTimeout(() => {
        logger.fatal('stopped with requests unfinished: SHUTDOWN_TIMEOUT_MS is over');
        process.exit(1);
      }, settings.shutdownTimeoutMs).unref();
      void stop(app, connections, settings, logger);
    });
  }
  try {
    await app.listen({ port: settings.port, host: settings.host });
  } catch (error) {
    const advice = ADVICE[(error as NodeJS.ErrnoException).code ?? '']?.(settings);
    if (advice === undefined) throw error;
    logger.fatal(advice);
    process.exit(1);
  }
}

/** What to do if nothing can listen at the address that was asked for. */
const ADVICE: Record<string, (settings: Settings) => string> = {
  EADDRINUSE: ({ port }) => `PORT ${port} is taken: stop what uses it, or set PORT to another`,
  EACCES: ({ port }) => `PORT ${port} is not allowed to this user: set PORT to one above 1023`,
  EADDRNOTAVAIL: ({ host }) =>
    `HOST ${host} is no address of this machine: set HOST to one, or to 0.0.0.0 for all`,
};

async function stop(
  app: NestFastifyApplication,
  connections: Connections,
  settings: Settings,
  logger: Logger,
): Promise<void> {
  try {
    app.get(HealthController).stop();
    app.get(HotAnswers).stop();
    connections.windDown();
    await sleep(settings.shutdownDrainMs);
    // Repeated, since connections become idle one after the other.
    const closing = setInterval(() => {
      connections.closeIdle();
    }, 100);
    await app.close();
    clearInterval(closing);
    logger.info('stopped');
    // Renditions that nobody waits for any more would keep it for as long as they take.
    process.exit(0);
  } catch (error) {
    logger.fatal({ err: error }, 'could not stop cleanly');
    process.exit(1);
  }
}

main().catch((error: unknown) => {
  if (error instanceof InvalidSettings) process.stderr.write(`${error.message}\n`);
  else pino().fatal({ err: error }, 'could not start');
  process.exit(1);
});
