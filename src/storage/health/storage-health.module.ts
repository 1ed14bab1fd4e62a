import { Module } from '@nestjs/common';
import { StorageModule } from '../storage.module.js';
import { StorageHealth } from './storage-health.js';

/**
 * Checks the storage when the program starts. A command that must not be stopped by it leaves this module
 * out.
 */
@Module({
  imports: [StorageModule],
  providers: [StorageHealth],
  exports: [StorageHealth],
})
export class StorageHealthModule {}
