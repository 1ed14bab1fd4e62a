import type { Settings } from '../config/settings.js';
import type { ImagePipeline } from './image-pipeline.js';
import { SharpPipeline } from './sharp.pipeline.js';

/** The pipeline with the limits of the settings. */
export function openPipeline(settings: Settings): ImagePipeline {
  return new SharpPipeline({
    allowedFormats: settings.avatarAllowedTypes,
    maxPixels: settings.avatarMaxPixels,
    maxFrames: settings.avatarMaxFrames,
    masterSize: settings.avatarMasterSize,
    masterMaxBytes: settings.avatarMasterMaxBytes,
    concurrency: settings.imageConcurrency,
    queue: settings.imageQueue,
    timeoutMs: settings.imageTimeoutMs,
  });
}
