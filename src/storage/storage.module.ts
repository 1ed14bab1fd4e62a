import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { ObjectStore } from './object-store.js';
import { openStore } from './open-store.js';

/** Gives the ObjectStore that the settings ask for. */
@Module({
  providers: [
    {
      provide: ObjectStore,
      inject: [ConfigService],
      useFactory: (config: Config) => openStore(config.get('settings', { infer: true })),
    },
  ],
  exports: [ObjectStore],
})
export class StorageModule {}
