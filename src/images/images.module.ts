import { Module } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ImagePipeline } from './image-pipeline.js';
import { ObservedPipeline, PictureObserver } from './observed.pipeline.js';
import { openPipeline } from './open-pipeline.js';

@Module({
  providers: [
    {
      provide: ImagePipeline,
      inject: [Settings, { token: PictureObserver, optional: true }],
      useFactory: (settings: Settings, observer: PictureObserver | undefined) => {
        const pipeline = openPipeline(settings);
        return observer ? new ObservedPipeline(pipeline, observer) : pipeline;
      },
    },
  ],
  exports: [ImagePipeline],
})
export class ImagesModule {}
