import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Logger, pino } from 'pino';
import { createApp } from './app.js';
import { CDN_CHECK } from './cdn/check-settings.js';
import { loadSettings, warningOfOwnUrls } from './config/load-settings.js';
import { type Settings, isLoggedInDetail, isOpenToAll } from './config/settings.js';
import { LOG_HOOKS, openLog, serializeError, serializeErrorBriefly } from './ops/logging.js';
import { UnfitStorage } from './storage/health/storage-report.js';
import { OpsPort } from './ops/ops-port.js';
import { preferMainThread } from './ops/thread-priority.js';
import { prepareSpool } from './uploads/spooled-upload.js';

/** The service with its settings and its log. */
export interface Service {
  app: NestFastifyApplication;
  settings: Settings;
  logger: Logger;
}

/** The service cannot listen, for a reason that its log names. */
export class CannotListen extends Error {}

/**
 * Loads the settings and assembles the service, without listening yet.
 * @param environment usually that of the process
 * @throws InvalidSettings
 */
export async function openService(environment: Record<string, string | undefined>): Promise<Service> {
  const { settings, complaints, warnings } = loadSettings(environment, CDN_CHECK);
  const err = isLoggedInDetail(settings) ? serializeError : serializeErrorBriefly;
  const logger = pino({ level: settings.logLevel, hooks: LOG_HOOKS, serializers: { err } }, openLog());
  for (const complaint of complaints) logger.error(complaint);
  for (const warning of warnings) logger.warn(warning);
  const ownUrls = warningOfOwnUrls(settings);
  if (ownUrls !== undefined) logger.warn(ownUrls);
  if (isOpenToAll(settings)) {
    logger.warn(
      'Neither API_KEYS nor JWT_ISSUER is set: anybody who can reach the service can change avatars',
    );
  }
  await prepareSpool(settings.uploadSpoolPath);
  const app = await createApp(settings, logger);
  try {
    preferMainThread();
  } catch (error) {
    logger.warn(
      { err: error },
      'the system forbids thread priorities: reads may be slow while uploads are processed',
    );
  }
  return { app, settings, logger };
}

/**
 * Starts the parts of the service, and listens.
 * @throws CannotListen if that takes a change of the settings or the storage
 */
export async function listen({ app, settings, logger }: Service): Promise<void> {
  try {
    await app.init();
    await app.get(OpsPort).listen();
    await app.listen({ port: settings.port, host: settings.host });
  } catch (error) {
    const advice =
      error instanceof UnfitStorage ? error.message : adviceAbout(error as ListenError, settings);
    if (advice === undefined) throw error;
    logger.fatal(advice);
    throw new CannotListen(advice, { cause: error });
  }
}

/** An error of `listen`, as Node has it. */
type ListenError = NodeJS.ErrnoException & { port?: number };

/** Tells what to do if the service cannot listen at its address. */
function adviceAbout({ code, port }: ListenError, { opsPort, host }: Settings): string | undefined {
  const setting = port !== undefined && port === opsPort ? 'OPS_PORT' : 'PORT';
  switch (code) {
    case 'EADDRINUSE':
      return `${setting} ${port} is taken: stop what uses it, or set ${setting} to another`;
    case 'EACCES':
      return `${setting} ${port} is not allowed for this user: set ${setting} to one above 1023`;
    case 'EADDRNOTAVAIL':
      return `HOST ${host} is no address of this machine: set HOST to one that is, or to 0.0.0.0 for all`;
    default:
      return undefined;
  }
}
