import { Logger as NestLog } from '@nestjs/common';
import { type Logger, pino } from 'pino';
import { InvalidSettings } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { LOG_HOOKS, NestLogger, serializeError, serializeWithoutStack } from '../ops/logging.js';
import { EXIT, type Outcome, type Task, UsageError, causeOf, isOutage } from './command.js';
import { openProgress } from './progress.js';
import { type SettingsSource, readSettings } from './stores.js';

/** The options that every command has. */
export interface CommonOptions {
  dryRun?: boolean;
  json?: boolean;
  concurrency?: number;
  verbose?: boolean;
}

/** Avatars at the same time, for commands without the option. */
const CONCURRENCY = 16;

export type CommandBody = (task: Task, settings: (source: SettingsSource) => Settings) => Promise<Outcome>;

/**
 * Runs a command, and prints its report on standard output, or on standard error why there is none.
 * @returns the exit code
 */
export async function runCommand(
  name: string,
  { dryRun = false, json = false, concurrency = CONCURRENCY, verbose = false }: CommonOptions,
  body: CommandBody,
  environment: Record<string, string | undefined>,
): Promise<number> {
  const logger = openLogger(verbose);
  NestLog.overrideLogger(new NestLogger(logger));
  const progress = openProgress();
  const say = (line: string) => {
    if (!json) progress.aside(() => process.stdout.write(`${line}\n`));
  };
  const task = { dryRun, concurrency, logger, progress, say };
  try {
    const outcome = await body(task, (source) => readSettings(environment, source, logger));
    progress.stop();
    process.stdout.write(`${(json ? asJson : asText)(name, dryRun, outcome)}\n`);
    if (outcome.exit !== undefined) return outcome.exit;
    const isOpen = outcome.findings.some(({ repaired }) => !repaired);
    return isOpen || outcome.unfinished !== undefined ? EXIT.problems : EXIT.well;
  } catch (error) {
    progress.stop();
    logger.debug({ err: error }, 'the command failed');
    process.stderr.write(`${explain(error)}\n`);
    if (error instanceof InvalidSettings || error instanceof UsageError) return EXIT.usage;
    return isOutage(error) ? EXIT.unavailable : EXIT.problems;
  }
}

function openLogger(verbose: boolean): Logger {
  return pino(
    {
      level: verbose ? 'debug' : 'info',
      hooks: LOG_HOOKS,
      serializers: { err: verbose ? serializeError : serializeWithoutStack },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** What is wrong, what to do, and the cause. */
function explain(error: unknown): string {
  if (error instanceof InvalidSettings || error instanceof UsageError) return error.message;
  if (isOutage(error)) {
    const fault = error.code === 'storage_full' ? 'The storage is full' : 'The storage could not be used';
    return `${fault}; fix the cause and run the command again: ${causeOf(error)}`;
  }
  return `The command stopped at an unexpected error; run it with --verbose to see where: ${causeOf(error)}`;
}

function asJson(command: string, dryRun: boolean, { findings, facts, unfinished }: Outcome): string {
  return JSON.stringify({ command, dryRun, ...facts, unfinished, findings });
}

function asText(command: string, dryRun: boolean, { findings, facts, unfinished, lines }: Outcome): string {
  if (lines) return lines.join('\n');
  return [
    ...findings.map(
      ({ code, where, message, repaired }) => `${code} ${where}: ${message}${repaired ? ' (repaired)' : ''}`,
    ),
    `${command}${dryRun ? ' (dry run)' : ''}: ${findings.length} findings`,
    ...Object.entries(facts).map(([name, value]) => `  ${name}: ${String(value)}`),
    ...(unfinished === undefined ? [] : [unfinished]),
  ].join('\n');
}
