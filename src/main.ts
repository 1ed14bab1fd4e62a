import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Logger, pino } from 'pino';
import { createApp } from './app.js';
import { InvalidSettings, loadSettings } from './config/load-settings.js';
import type { Settings } from './config/settings.js';
import { prepareSpool } from './spool.js';
import { HealthController } from './ops/health.controller.js';

async function main(): Promise<void> {
  const { settings, complaints } = loadSettings(process.env);
  const logger = pino({ level: settings.logLevel });
  for (const complaint of complaints) logger.error(complaint);
  if (settings.apiKeys.length === 0) {
    logger.warn('API_KEYS is not set: anybody who reaches the service can change avatars');
  }
  await prepareSpool(settings.uploadSpoolPath);
  const app = await createApp(settings, logger);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping: what was accepted is finished first');
      setTimeout(() => {
        logger.fatal('stopped with requests unfinished: SHUTDOWN_TIMEOUT_MS is over');
        process.exit(1);
      }, settings.shutdownTimeoutMs).unref();
      void stop(app, settings, logger);
    });
  }
  await app.listen({ port: settings.port, host: settings.host });
}

async function stop(app: NestFastifyApplication, settings: Settings, logger: Logger): Promise<void> {
  try {
    app.get(HealthController).stop();
    await sleep(settings.shutdownDrainMs);
    // A connection that carries its last answer now would be kept alive for as long as its client likes.
    const closing = setInterval(() => {
      app.getHttpServer().closeIdleConnections();
    }, 100);
    await app.close();
    clearInterval(closing);
    logger.info('stopped');
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
