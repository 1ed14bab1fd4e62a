import { type DynamicModule, Logger, Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { OutboxFolders } from './outbox-folders.js';
import { DiskOutbox } from './disk.outbox.js';
import { NoOutbox } from './no.outbox.js';
import { type ChangeFormat, Outbox } from './outbox.js';
import { countEntries, identityOf, readRecord, slotsOf } from './storage-record.js';

/** Provides the `Outbox` that the settings ask for. */
@Module({})
export class OutboxModule {
  /** @param format of the changes that wait in it */
  static holding<Change>(format: ChangeFormat<Change>): DynamicModule {
    return {
      module: OutboxModule,
      providers: [
        {
          provide: Outbox,
          inject: [Settings],
          useFactory: (settings: Settings) => openOutbox(settings, format),
        },
      ],
      exports: [Outbox],
    };
  }
}

async function openOutbox<Change>(settings: Settings, format: ChangeFormat<Change>): Promise<Outbox<Change>> {
  if (settings.storageBackend === 'local' || settings.storageFallback === 'none') {
    await warnOfLeftEntries(settings.outboxPath);
    return new NoOutbox();
  }
  let outbox: Outbox<Change>;
  try {
    outbox = await DiskOutbox.open(new OutboxFolders(settings.outboxPath, identityOf(settings)), format, {
      maxEntries: settings.outboxMaxEntries,
      maxBytes: settings.outboxMaxBytes,
      maxAgeMs: settings.outboxMaxAgeMs,
    });
  } catch (error) {
    throw new Error(
      `OUTBOX_PATH ${settings.outboxPath} cannot be used. Set it to a folder that the service can write to, on a disk that survives ` +
        'restarts. Or set STORAGE_FALLBACK=none to answer changes with 503 while the bucket is away',
      { cause: error },
    );
  }
  const { entries, setAside } = outbox.report();
  if (entries + setAside > 0)
    new Logger(Outbox.name).warn(
      { entries, setAside },
      'the outbox is not empty: its entries are carried out once the bucket is reachable, and those set aside need an operator',
    );
  return outbox;
}

/**
 * Logs entries that an earlier service left. Only reads: a service without an outbox creates nothing in its
 * path.
 */
async function warnOfLeftEntries(outboxPath: string): Promise<void> {
  const logger = new Logger(Outbox.name);
  try {
    for (const slot of await slotsOf(outboxPath)) {
      const entries = await countEntries(slot);
      if (entries === 0) continue;
      const storage = await readRecord(slot).catch((error: unknown) => String(error));
      logger.warn(
        { slot, entries, storage: storage ?? 'not recorded' },
        'an outbox slot holds changes that were accepted, and this service has no outbox to carry them out. If no other service does, ' +
          'start one with STORAGE_BACKEND=s3, STORAGE_FALLBACK=local, this storage and this OUTBOX_PATH',
      );
    }
  } catch (error) {
    logger.warn(
      { outboxPath, err: error },
      'OUTBOX_PATH cannot be searched for changes that an earlier service left: check its permissions',
    );
  }
}
