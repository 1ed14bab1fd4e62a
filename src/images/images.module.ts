import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { ImagePipeline } from './image-pipeline.js';
import { ObservedPipeline, PictureObserver } from './observed.pipeline.js';
import { SharpPipeline } from './sharp.pipeline.js';

@Module({
  providers: [{ provide: ImagePipeline, inject: [ConfigService, PictureObserver], useFactory: openPipeline }],
  exports: [ImagePipeline],
})
export class ImagesModule {}

function openPipeline(config: Config, observer: PictureObserver): ImagePipeline {
  const settings = config.get('settings', { infer: true });
  const pipeline = new SharpPipeline({
    allowedFormats: settings.avatarAllowedTypes,
    maxPixels: settings.avatarMaxPixels,
    maxFrames: settings.avatarMaxFrames,
    masterSize: settings.avatarMasterSize,
    concurrency: settings.imageConcurrency,
    queue: settings.imageQueue,
    timeoutMs: settings.imageTimeoutMs,
  });
  return new ObservedPipeline(pipeline, observer);
}
