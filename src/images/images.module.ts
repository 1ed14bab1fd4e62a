import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ImagePipeline } from './image-pipeline.js';
import { PictureObserver } from './observed.pipeline.js';
import { openPipeline } from './open-pipeline.js';

@Module({
  providers: [
    {
      provide: ImagePipeline,
      inject: [Settings, { token: PictureObserver, optional: true }],
      useFactory: openPipeline,
    },
  ],
  exports: [ImagePipeline],
})
export class ImagesModule {}
