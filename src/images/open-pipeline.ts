import type { Settings } from '../config/settings.js';
import type { ImagePipeline } from './image-pipeline.js';
import { ObservedPipeline, type PictureObserver } from './observed.pipeline.js';
import { SharpPipeline } from './sharp/sharp.pipeline.js';

/**
 * Opens the pipeline that the service works with.
 * @param observer is told of every picture, if there is one
 */
export function openPipeline(settings: Settings, observer?: PictureObserver): ImagePipeline {
  const pipeline = new SharpPipeline(settings);
  return observer ? new ObservedPipeline(pipeline, observer) : pipeline;
}
