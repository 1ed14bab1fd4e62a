import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { VERSION } from '../config/version.js';
import { EXIT } from './command.js';
import type { CommandBody, CommonOptions } from './run.js';

interface MigrateOptions extends CommonOptions {
  from: 'local' | 's3';
  to: 'local' | 's3';
  fromConfig?: string;
  toConfig?: string;
}

interface ImportOptions extends CommonOptions {
  from?: 's3';
  fromConfig?: string;
  pattern?: string;
}

type Variables = Record<string, string | undefined>;

/**
 * Runs the program `visage`. It prints on standard output and standard error.
 * @param parameters what follows its name on the command line
 * @param environment usually that of the process
 * @returns the exit code
 */
export async function runProgram(parameters: readonly string[], environment: Variables): Promise<number> {
  let code: number = EXIT.well;
  const program = describeProgram(environment, (ended) => (code = ended));
  try {
    await program.parseAsync(parameters, { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.well : EXIT.usage;
  }
}

/** @param end called with the exit code of the command that was run */
function describeProgram(environment: Variables, end: (code: number) => void): Command {
  const program = new Command('visage')
    .description('Tools for the storage of Visage. They read the same settings as the service.')
    .version(VERSION, '-V, --version', 'print the version')
    .exitOverride()
    .showHelpAfterError()
    .addHelpText(
      'after',
      `
Exit codes:
  ${EXIT.well}  all is well
  ${EXIT.problems}  the report names problems, or work that is left
  ${EXIT.usage}  the command line or the settings cannot be used; nothing was done
  ${EXIT.unavailable}  the storage could not be used; run the command again and it goes on where it was`,
    );

  const backend = (flags: string, text: string) => new Option(flags, text).choices(['local', 's3']);

  const defineAny = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('--json', 'print the result as one JSON document on standard output')
      .option('--verbose', 'log at the level debug, and the stacks of errors');
  /** A command that works on avatars. */
  const define = (name: string, description: string) =>
    defineAny(name, description)
      .option('--dry-run', 'change nothing, say what would be done')
      .option('--concurrency <avatars>', 'how many to work on at the same time', wholeNumber, 16);

  const run = async (name: string, options: CommonOptions, body: CommandBody) => {
    const { runCommand } = await import('./run.js');
    end(await runCommand(name, options, body, environment));
  };

  // Each command is loaded when it is run: --help needs none of them.

  define('migrate', 'copy all avatars to another backend while the service runs')
    .addOption(backend('--from <backend>', 'where the avatars are').makeOptionMandatory())
    .addOption(backend('--to <backend>', 'where to copy them').makeOptionMandatory())
    .option('--from-config <file>', 'a YAML file with all settings of the source; the others are not read')
    .option('--to-config <file>', 'the same for the destination')
    .action((options: MigrateOptions) =>
      run('migrate', options, async (task, settings) => {
        const { runMigrate } = await import('./migrate.js');
        const from = settings({ backend: options.from, file: options.fromConfig });
        const to = settings({ backend: options.to, file: options.toConfig });
        return runMigrate(task, { from, to });
      }),
    );

  define('import', 'take in pictures: a folder or a bucket of any layout, or a list of ids and files')
    .argument(
      '[path]',
      'a folder of <id>/<uuidv7>.<ext>, a list (.csv or .jsonl) with id and file, or a prefix with --from s3',
    )
    .addOption(new Option('--from <backend>', 'read from the bucket instead of this machine').choices(['s3']))
    .option('--from-config <file>', 'a YAML file with the settings of the bucket to read from')
    .option(
      '--pattern <pattern>',
      "where the pictures are in the folder or bucket, such as 'users/{id}/avatar.*'; the newest of each id counts",
    )
    .action((path: string | undefined, options: ImportOptions) =>
      run('import', options, async (task, settings) => {
        const { runImport } = await import('./import.js');
        const { chooseSource } = await import('./choose-source.js');
        const into = settings({});
        const { from: backend, fromConfig: file, pattern } = options;
        const bucket = backend && settings({ backend, file });
        const { entries, seen } = await chooseSource({ path, bucket, pattern }, into.avatarMaxSizeBytes);
        return runImport(task, into, entries, seen);
      }),
    );

  define(
    'adopt',
    'take over all avatars that an older service left, so that the service need not look for them',
  ).action((options: CommonOptions) =>
    run('adopt', options, async (task, settings) => {
      const { runAdopt } = await import('./adopt.js');
      return runAdopt(task, settings({}));
    }),
  );

  define('erase', 'repeat erasures, as after restoring a backup; newer pictures stay')
    .requiredOption('--list <file>', 'one per line: a receipt or a log line as JSON, or id,erasedAt')
    .action((options: CommonOptions & { list: string }) =>
      run('erase', options, async (task, settings) => {
        const { runErase } = await import('./erase.js');
        const { erasuresAt } = await import('./erase-list.js');
        return runErase(task, settings({}), await erasuresAt(options.list));
      }),
    );

  defineAny('export', 'write everything that is stored about an avatar into a new folder')
    .argument('<id>', 'the id of the avatar')
    .argument('[folder]', 'the folder to make; by default visage-export-<id> in the working directory')
    .action((id: string, folder: string | undefined, options: CommonOptions) =>
      run('export', options, async (_, settings) => {
        const { runExport } = await import('./export.js');
        return runExport(settings({}), id, folder);
      }),
    );

  define('gc', 'delete pictures that no manifest needs any more, past AVATAR_GRACE_MS').action(
    (options: CommonOptions) =>
      run('gc', options, async (task, settings) => {
        const { runGc } = await import('./gc.js');
        return runGc(task, settings({}));
      }),
  );

  define('verify', 'compare every manifest with its objects, and read every picture')
    .option('--repair', 'repair whatever can be repaired without a loss')
    .action((options: CommonOptions & { repair?: boolean }) =>
      run('verify', options, async (task, settings) => {
        const { runVerify } = await import('./verify.js');
        return runVerify(task, settings({}), options.repair === true);
      }),
    );

  defineAny('doctor', 'find out whether this configuration can be trusted, and what to do if not')
    .option(
      '--seconds <seconds>',
      'how long writers race; reads beside writes take half as long',
      seconds,
      20,
    )
    .action((options: CommonOptions & { seconds: number }) =>
      run('doctor', options, async (task) => {
        const { runDoctor } = await import('./doctor/doctor.js');
        return runDoctor(task, environment, options.seconds);
      }),
    );

  return program;
}

function seconds(text: string): number {
  if (!/^\d{1,3}(\.\d)?$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('It is a number from 0.1 to 999, with at most one decimal.');
  return Number(text);
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('It is a whole number from 1 to 999.');
  return Number(text);
}
