import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { configModule } from '../config/config.module.js';
import { Settings } from '../config/settings.js';
import { NestLogger } from '../ops/logging.js';
import { MetricsModule } from '../ops/metrics.module.js';
import { prepareSpool } from '../spool.js';
import { KeyedMutex } from '../storage/keyed-mutex.js';
import { ObjectStore } from '../storage/object-store.js';
import type { Finding, Outcome, Task } from './command.js';
import { attempt, forEach } from './for-each.js';
import { type Entry, Importer } from './importer.js';

@Module({})
class ImportModule {
  static with(settings: Settings): DynamicModule {
    return { module: ImportModule, imports: [configModule(settings), AvatarsModule, MetricsModule] };
  }
}

/**
 * Takes pictures in the way that uploads go.
 * @param entries groups of which each is worked on in its order
 */
export async function runImport(
  task: Task,
  settings: Settings,
  entries: AsyncIterable<readonly Entry[]>,
): Promise<Outcome> {
  const { dryRun, concurrency, logger, progress } = task;
  // What this process accepted has to be in the store when it ends, and it may decode as much as it reads at once.
  const own = { storageFallback: 'none', imageQueue: Math.max(settings.imageQueue, concurrency) } as const;
  const applied = Object.assign(new Settings(), settings, own);
  await prepareSpool(applied.uploadSpoolPath);
  const app = await NestFactory.createApplicationContext(ImportModule.with(applied), {
    logger: new NestLogger(logger),
  });
  const store = app.get(ObjectStore, { strict: false });
  if (!dryRun) await store.check();
  const importer = new Importer(app, applied, dryRun);
  const facts = { storage: store.location, imported: 0, unchanged: 0, surplus: 0, refused: 0 };
  const avatars = new KeyedMutex();
  const findings: Finding[] = [];
  const refuse = (finding: Finding) => {
    facts.refused++;
    findings.push(finding);
  };
  if (progress.visible) progress.start('import', 0);
  await forEach(entries, concurrency, async (group) => {
    for (const entry of group) {
      if ('finding' in entry) refuse(entry.finding);
      else {
        // Two lines of one avatar follow one another.
        const taken = () => avatars.run(entry.id, () => importer.take(entry));
        await attempt(task, entry.where, refuse, async () => {
          facts[await taken()]++;
        });
      }
      progress.step();
    }
  });
  await app.close();
  return { findings, facts };
}
