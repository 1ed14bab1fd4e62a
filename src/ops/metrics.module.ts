import { Global, Module } from '@nestjs/common';
import { PictureObserver } from '../images/observed.pipeline.js';
import { StoreObserver } from '../storage/observed.store.js';
import { MetricsController } from './metrics.controller.js';
import { Metrics } from './metrics.js';

/** Counts what the store and the image pipeline report. Global, so that neither has to import its observer. */
@Global()
@Module({
  controllers: [MetricsController],
  providers: [
    Metrics,
    { provide: StoreObserver, useExisting: Metrics },
    { provide: PictureObserver, useExisting: Metrics },
  ],
  exports: [Metrics, StoreObserver, PictureObserver],
})
export class MetricsModule {}
