import type { RenditionFormat } from '../model/formats.js';
import type { Version } from '../model/manifest.js';

/** Formats that every client can show. */
export type CommonFormat = 'jpeg' | 'png';

/** If a client weighs two formats equally, it gets the earlier one here: that is usually smaller. */
const PREFERRED: readonly RenditionFormat[] = ['avif', 'webp', 'png', 'jpeg'];

/**
 * Lists the formats that a client accepts, best first. The list always includes one that every client can show. WebP and AVIF are served
 * only to clients that name them: a client that accepts `image/*` may be older than they are. PNG and JPEG stand in for each other if one
 * is ruled out.
 * @param accept the header Accept (RFC 9110, section 12.5.1)
 * @param still whether the first frame of an animation is wanted; AVIF is never made of an animation
 * @param common served to clients that name nothing newer
 */
export function acceptedFormats(
  version: Pick<Version, 'master' | 'animated'>,
  accept: string | undefined,
  still: boolean,
  common: CommonFormat = version.master === 'jpeg' ? 'jpeg' : 'png',
): RenditionFormat[] {
  const weights = weigh(accept ?? '');
  const weightOf = (format: RenditionFormat): number => {
    const named = weights.get(`image/${format}`);
    if (format !== common) return named ?? 0;
    return named ?? weights.get('image/*') ?? weights.get('*/*') ?? 0;
  };
  const candidates = PREFERRED.filter((format) => {
    if (format === common) return true;
    if (weightOf(format) === 0) return false;
    if (format === 'avif') return still || !version.animated;
    return format === 'webp' || weightOf(common) === 0;
  });
  return candidates.sort((a, b) => weightOf(b) - weightOf(a));
}

/** The weight of each media range; an invalid weight counts as 0. */
function weigh(accept: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const item of accept.toLowerCase().split(',')) {
    const [range = '', ...parameters] = item.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const q = weight === undefined ? 1 : Number(weight.slice(2));
    weights.set(range, q >= 0 && q <= 1 ? q : 0);
  }
  return weights;
}
