import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import type { ImagePipeline } from '../../src/images/image-pipeline.js';
import { openPipeline } from '../../src/images/open-pipeline.js';

/**
 * A pipeline in the process of the tests. It forbids libvips most formats for the whole process, in which other tests look at pictures
 * later: so all are allowed again.
 * @param settings all others are as by default, but for a deadline that no machine is too slow for
 */
export function pipelineHere(settings: Partial<Settings> = {}): ImagePipeline {
  const pipeline = openPipeline(Object.assign(new Settings(), { imageTimeoutMs: 120_000 }, settings));
  sharp.unblock({ operation: ['VipsForeignLoad'] });
  return pipeline;
}
