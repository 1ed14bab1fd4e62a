import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { ImagePipeline } from './image-pipeline.js';
import { openPipeline } from './open-pipeline.js';

@Module({
  providers: [
    {
      provide: ImagePipeline,
      inject: [ConfigService],
      useFactory: (config: Config) => openPipeline(config.get('settings', { infer: true })),
    },
  ],
  exports: [ImagePipeline],
})
export class ImagesModule {}
