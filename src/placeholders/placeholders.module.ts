import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { ImagesModule } from '../images/images.module.js';
import { Placeholders } from './placeholders.js';

@Module({
  imports: [ImagesModule],
  providers: [
    {
      provide: Placeholders,
      inject: [ImagePipeline, ConfigService],
      useFactory: (pipeline: ImagePipeline, config: Config) => {
        const { imageConcurrency, imageQueue } = config.get('settings', { infer: true });
        return new Placeholders(pipeline, { concurrency: imageConcurrency, queue: imageQueue });
      },
    },
  ],
  exports: [Placeholders],
})
export class PlaceholdersModule {}
