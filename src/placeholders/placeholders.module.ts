import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { ImagesModule } from '../images/images.module.js';
import { Placeholders } from './placeholders.js';

@Module({
  imports: [ImagesModule],
  providers: [
    {
      provide: Placeholders,
      inject: [ImagePipeline, Settings],
      useFactory: (pipeline: ImagePipeline, { imageConcurrency, imageQueue }: Settings) => {
        return new Placeholders(pipeline, { concurrency: imageConcurrency, queue: imageQueue });
      },
    },
  ],
  exports: [Placeholders],
})
export class PlaceholdersModule {}
