#!/usr/bin/env node
import 'reflect-metadata';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { Logger as NestLog } from '@nestjs/common';
import { pino } from 'pino';
import { InvalidSettings } from '../config/load-settings.js';
import { NestLogger } from '../ops/logging.js';
import { openStore } from '../storage/open-store.js';
import { EXIT, type Outcome, type Task, UsageError, isOutage } from './command.js';
import { erasuresAt } from './erase-list.js';
import { runErase } from './erase.js';
import { runGc } from './gc.js';
import { entriesAt, entriesIn } from './import-sources.js';
import { runImport } from './import.js';
import { runMigrate } from './migrate.js';
import { openProgress } from './progress.js';
import { readSettings } from './stores.js';
import { runVerify } from './verify.js';

interface CommonOptions {
  dryRun?: boolean;
  json?: boolean;
  concurrency: number;
}

interface MigrateOptions extends CommonOptions {
  from: 'local' | 's3';
  to: 'local' | 's3';
  fromConfig?: string;
  toConfig?: string;
}

interface ImportOptions extends CommonOptions {
  from?: 's3';
  fromConfig?: string;
}

// What it writes is for this user of the machine only, as what the service writes.
process.umask(0o077);

const logger = pino({ level: 'info' }, pino.destination({ dest: 2, sync: true }));
NestLog.overrideLogger(new NestLogger(logger));

const program = new Command('visage')
  .description('Tools for the storage of Visage. They read the same settings as the service.')
  .exitOverride()
  .showHelpAfterError()
  .addHelpText(
    'after',
    `
Exit codes:
  ${EXIT.well}  all is well
  ${EXIT.problems}  something was found, or could not be done: it is in the report
  ${EXIT.usage}  the command line or the settings cannot be used; nothing was done
  ${EXIT.unavailable}  the storage could not be used; run the command again and it goes on where it was`,
  );

const backend = (flags: string, text: string) => new Option(flags, text).choices(['local', 's3']);

define('migrate', 'copy all avatars to another backend while the service runs')
  .addOption(backend('--from <backend>', 'where the avatars are').makeOptionMandatory())
  .addOption(backend('--to <backend>', 'where they shall be').makeOptionMandatory())
  .option('--from-config <file>', 'a YAML file with the settings of the source, which then has no others')
  .option('--to-config <file>', 'the same for the destination')
  .action((options: MigrateOptions) =>
    run('migrate', options, (task) => {
      const from = settings({ backend: options.from, file: options.fromConfig });
      const to = settings({ backend: options.to, file: options.toConfig });
      return runMigrate(task, { from, to });
    }),
  );

define('import', 'take in pictures: the folder of an older service, or a list of ids and files')
  .argument(
    '<path>',
    'a folder <id>/<uuidv7>.<ext>, a .csv or .jsonl with id and file, or with --from s3 a prefix',
  )
  .addOption(new Option('--from <backend>', 'read from the bucket instead of this machine').choices(['s3']))
  .option('--from-config <file>', 'a YAML file with the settings of the bucket to read from')
  .action((path: string, options: ImportOptions) =>
    run('import', options, async (task) => {
      const into = settings({});
      if (options.from === undefined) return runImport(task, into, await entriesAt(path));
      const bucket = openStore(settings({ backend: options.from, file: options.fromConfig }));
      return runImport(task, into, entriesIn(bucket, path.replace(/\/*$/, '/')));
    }),
  );

define('erase', 'repeat erasures, as after a backup was restored; what is newer stays')
  .requiredOption('--list <file>', 'a line each: a receipt or log line as JSON, or id,erasedAt')
  .action((options: CommonOptions & { list: string }) =>
    run('erase', options, async (task) => runErase(task, settings({}), await erasuresAt(options.list))),
  );

define('gc', 'delete pictures that no manifest needs any more, past AVATAR_GRACE_MS').action(
  (options: CommonOptions) => run('gc', options, (task) => runGc(task, settings({}))),
);

define('verify', 'compare every manifest with its objects, and read every picture')
  .option('--repair', 'mend what can be mended without a loss')
  .action((options: CommonOptions & { repair?: boolean }) =>
    run('verify', options, (task) => runVerify(task, settings({}), options.repair === true)),
  );

function settings(source: Parameters<typeof readSettings>[1]) {
  return readSettings(process.env, source, logger);
}

function define(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--dry-run', 'change nothing, tell what would be done')
    .option('--json', 'give the result as one JSON document on standard output')
    .option('--concurrency <avatars>', 'how many to work on at the same time', parseConcurrency, 16);
}

async function run(
  name: string,
  { dryRun = false, json = false, concurrency }: CommonOptions,
  command: (task: Task) => Promise<Outcome>,
): Promise<void> {
  const progress = openProgress();
  const task = { dryRun, concurrency, logger, progress };
  try {
    report(name, task, json, await command(task));
  } finally {
    progress.stop();
  }
}

function report(command: string, { dryRun }: Task, asJson: boolean, outcome: Outcome): void {
  const { findings, facts, unfinished } = outcome;
  const lines = asJson
    ? [JSON.stringify({ command, dryRun, ...facts, findings })]
    : [
        ...findings.map(
          ({ code, where, message, repaired }) =>
            `${code} ${where}: ${message}${repaired ? ' (repaired)' : ''}`,
        ),
        `${command}${dryRun ? ' (dry run)' : ''}: ${findings.length} findings`,
        ...Object.entries(facts).map(([name, value]) => `  ${name}: ${String(value)}`),
      ];
  process.stdout.write(`${lines.join('\n')}\n`);
  const open = findings.some(({ repaired }) => !repaired);
  process.exitCode = open || unfinished ? EXIT.problems : EXIT.well;
}

function parseConcurrency(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 to 999.');
  return Number(text);
}

/** @returns the exit code */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.well : EXIT.usage;
  if (error instanceof InvalidSettings || error instanceof UsageError) {
    process.stderr.write(`${error.message}\n`);
    return EXIT.usage;
  }
  if (isOutage(error)) {
    logger.error({ err: error }, 'the storage could not be used');
    return EXIT.unavailable;
  }
  logger.fatal({ err: error }, 'stopped by an error that was not foreseen');
  return EXIT.problems;
}

program.parseAsync().catch((error: unknown) => {
  process.exitCode = explain(error);
});
