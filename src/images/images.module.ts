import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { ImagePipeline } from './image-pipeline.js';
import { ObservedPipeline, PictureObserver } from './observed.pipeline.js';
import { openPipeline } from './open-pipeline.js';

@Module({
  providers: [
    {
      provide: ImagePipeline,
      inject: [ConfigService, PictureObserver],
      useFactory: (config: Config, observer: PictureObserver) =>
        new ObservedPipeline(openPipeline(config.get('settings', { infer: true })), observer),
    },
  ],
  exports: [ImagePipeline],
})
export class ImagesModule {}
