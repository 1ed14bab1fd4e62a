import { Module } from '@nestjs/common';
import { StorageHealthModule } from '../storage/health/storage-health.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { AdoptionRun } from './adoption-run.js';
import { AvatarsModule } from './avatars.module.js';

/**
 * Adopts what an older service left, in the background. Only the service does; for commands there is
 * `visage adopt`.
 */
@Module({
  imports: [AvatarsModule, StorageHealthModule, StorageModule],
  providers: [AdoptionRun],
})
export class AdoptionModule {}
