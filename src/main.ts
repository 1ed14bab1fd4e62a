import 'reflect-metadata';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { createApp } from './app.js';
import { InvalidSettings, loadSettings } from './config/load-settings.js';
import type { Settings } from './config/settings.js';
import { VERSION } from './config/version.js';
import { LOG_HOOKS, openLog, serializeError } from './ops/logging.js';
import { UnfitStorage } from './ops/storage-report.js';
import { preferMainThread } from './ops/thread-priority.js';
import { prepareSpool } from './uploads/spooled-upload.js';

// V8 counts the short-lived buffers of uploads as growth of its heap. By default it would run a full mark after every third upload, which
// takes a fifth of the time of uploads.
setFlagsFromString('--heap-growing-percent=100');

// Only this user of the machine may read objects, the outbox and uploads in progress.
process.umask(0o077);

// The AWS SDK's own switch for its notice about Node 20, which is no message of the service.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

async function main(): Promise<void> {
  const { settings, complaints, warnings } = loadSettings(process.env);
  const logger = pino(
    { level: settings.logLevel, hooks: LOG_HOOKS, serializers: { err: serializeError } },
    openLog(),
  );
  for (const complaint of complaints) logger.error(complaint);
  for (const warning of warnings) logger.warn(warning);
  if (settings.apiKeys.length === 0) {
    logger.warn('API_KEYS is not set: anybody who can reach the service can change avatars');
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
  try {
    await app.listen({ port: settings.port, host: settings.host });
  } catch (error) {
    const advice =
      error instanceof UnfitStorage
        ? error.message
        : ADVICE[(error as NodeJS.ErrnoException).code ?? '']?.(settings);
    if (advice === undefined) throw error;
    logger.fatal(advice);
    process.exit(1);
  }
}

/** Tells what to do if the service cannot listen at its address. */
const ADVICE: Record<string, (settings: Settings) => string> = {
  EADDRINUSE: ({ port }) => `PORT ${port} is taken: stop what uses it, or set PORT to another`,
  EACCES: ({ port }) => `PORT ${port} is not allowed for this user: set PORT to one above 1023`,
  EADDRNOTAVAIL: ({ host }) =>
    `HOST ${host} is no address of this machine: set HOST to one that is, or to 0.0.0.0 for all`,
};

const [argument] = process.argv.slice(2);
if (argument === '--version') {
  process.stdout.write(`${VERSION}\n`);
} else if (argument !== undefined) {
  process.stderr.write(
    'The service takes no arguments: set it up by the variables in .env.example, and see docs/cli.md for commands.\n',
  );
  process.exitCode = 2;
} else {
  main().catch((error: unknown) => {
    if (error instanceof InvalidSettings) process.stderr.write(`${error.message}\n`);
    else pino().fatal({ err: error }, 'could not start');
    process.exit(1);
  });
}
