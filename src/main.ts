import 'reflect-metadata';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { InvalidSettings } from './config/load-settings.js';
import { VERSION } from './config/version.js';
import { CannotListen, type Service, listen, openService } from './service.js';

// V8 counts the short-lived buffers of uploads as growth of its heap. By default it would run a full mark
// after every third upload, which takes a fifth of the time of uploads.
setFlagsFromString('--heap-growing-percent=100');

// Only this user of the machine may read objects, the outbox and uploads in progress.
process.umask(0o077);

// The AWS SDK's own switch for its notice about Node 20, which is no message of the service.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

/** The signals that end the service. */
const SHUTDOWN_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

async function main(): Promise<void> {
  const service = await openService(process.env);
  endOnSignals(service);
  await listen(service);
}

/** Ends the process in an orderly way at the first signal, or after SHUTDOWN_TIMEOUT_MS. */
function endOnSignals({ app, settings, logger }: Service): void {
  app.enableShutdownHooks([...SHUTDOWN_SIGNALS], { useProcessExit: true });
  let isEnding = false;
  for (const signal of SHUTDOWN_SIGNALS) {
    // Stays: a parent may pass the signal on a second time. Nest drops its listeners just before it exits,
    // and the signal would then kill.
    process.on(signal, () => {
      if (isEnding) return;
      isEnding = true;
      setTimeout(() => {
        logger.fatal('SHUTDOWN_TIMEOUT_MS is over: stopped with requests unfinished');
        process.exit(1);
      }, settings.shutdownTimeoutMs).unref();
    });
  }
}

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
    else if (!(error instanceof CannotListen)) pino().fatal({ err: error }, 'could not start');
    process.exit(1);
  });
}
