import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Global, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Settings } from '../../src/config/settings.js';
import { SettingsModule } from '../../src/config/settings.module.js';
import { BoundedStore } from '../../src/storage/bounded.store.js';
import { StorageCircuit } from '../../src/storage/guarded.store.js';
import { LocalStore } from '../../src/storage/local/local.store.js';
import { ObjectStore } from '../../src/storage/object-store.js';
import { ObservedStore, StoreObserver } from '../../src/storage/observed.store.js';
import { StorageModule } from '../../src/storage/storage.module.js';

const calls: string[] = [];

@Global()
@Module({
  providers: [
    {
      provide: StoreObserver,
      useValue: { storeCalled: ({ operation }: { operation: string }) => calls.push(operation) },
    },
  ],
  exports: [StoreObserver],
})
class ObserverModule {}

function open(settings: Partial<Settings>, ...modules: Type[]) {
  const config = SettingsModule.with(Object.assign(new Settings(), settings));

  @Module({ imports: [config, StorageModule, ...modules] })
  class Program {}

  return NestFactory.createApplicationContext(Program, { logger: false, abortOnError: false });
}

describe('StorageModule', () => {
  const local = async () => ({
    storageBackend: 'local' as const,
    storageLocalPath: await mkdtemp(join(tmpdir(), 'visage-module-')),
  });

  it('gives the driver itself for a folder, to a program that does not observe it', async () => {
    const app = await open(await local());
    expect(app.get(ObjectStore)).toBeInstanceOf(LocalStore);
    await app.close();
  });

  it('gives a bucket behind a queue and a circuit breaker', async () => {
    const app = await open({ storageBackend: 's3', storageS3Bucket: 'pictures' });
    expect(app.get(ObjectStore)).toBeInstanceOf(BoundedStore);
    expect(app.get(StorageCircuit).state).toBe('closed');
    await app.close();
  });

  it('tells an observer of the calls, if there is one', async () => {
    const app = await open(await local(), ObserverModule);
    const store = app.get(ObjectStore);
    expect(store).toBeInstanceOf(ObservedStore);
    await store.exists('a/b');
    expect(calls).toEqual(['exists']);
    await app.close();
  });
});
