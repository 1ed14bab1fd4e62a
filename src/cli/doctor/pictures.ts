import { sniffBytes } from '../../images/containers/sniff.js';
import type { ImagePipeline } from '../../images/image-pipeline.js';
import { openPipeline } from '../../images/open-pipeline.js';
import { RENDITION_FORMATS, type RenditionFormat } from '../../model/formats.js';
import { causeOf } from '../command.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

const SIDE = 64;

/** Encodes a picture in every format, and decodes those that uploads may have. */
export async function checkPictures({ settings }: Subject): Promise<Verdict[]> {
  const pipeline = openPipeline(settings);
  const decoded = new Set<RenditionFormat>(['jpeg', 'webp', ...settings.avatarAllowedTypes]);
  const verdicts: Verdict[] = [];
  for (const format of RENDITION_FORMATS) {
    try {
      await tryFormat(pipeline, format, decoded.has(format));
    } catch (error) {
      const advice =
        'Install Visage anew by npm ci, on the system that it runs on: sharp comes with all formats';
      verdicts.push(failure(`${format} does not work: ${causeOf(error)}`, advice));
    }
  }
  if (verdicts.length > 0) return verdicts;
  return [ok(`encoded ${RENDITION_FORMATS.join(', ')}; decoded ${[...decoded].join(', ')}`)];
}

async function tryFormat(pipeline: ImagePipeline, format: RenditionFormat, decode: boolean): Promise<void> {
  const rgba = Buffer.from(Array.from({ length: SIDE * SIDE * 4 }, (_, i) => (i % 4 === 3 ? 255 : i % 251)));
  const encoded = await pipeline.encode({ rgba, width: SIDE, height: SIDE }, format);
  const found = sniffBytes(encoded);
  if (found !== format) throw new Error(`encoding gave ${found ?? 'something else'}`);
  if (decode) await pipeline.render(encoded, { size: 16, format: 'jpeg' });
}
