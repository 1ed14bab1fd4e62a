import type { RenditionFormat } from '../model/formats.js';
import type { Version } from '../model/manifest.js';

/** Formats that every client can show. */
export type CommonFormat = 'jpeg' | 'png';

/** If a client weighs two formats equally, it gets the earlier one here: that is usually smaller. */
const PREFERRED = ['avif', 'webp', 'png', 'jpeg'] as const satisfies readonly RenditionFormat[];
type Negotiable = (typeof PREFERRED)[number];

/**
 * The items of a list. A comma in a quoted string separates nothing; a string without an end lasts to the end
 * of the header.
 */
const ITEMS = /(?:"(?:[^"\\]|\\[^]?)*(?:"|$)|[^",])+/g;

/**
 * A media range that can match a picture, and its weight (RFC 9110, sections 12.4.2 and 12.5.1). Empty
 * parameters are allowed.
 */
const RANGE =
  /^[ \t]*(\*\/\*|image\/(?:\*|avif|webp|png|jpeg))(?:[ \t;]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t;]*$/;

/**
 * Lists the formats that a client accepts, best first. The list always includes one that every client can
 * show.
 *
 * - WebP and AVIF are served only to clients that name them, since a client that accepts `image/*` may be
 *   older than they are. It gets them only if it rules out both PNG and JPEG.
 * - PNG and JPEG are weighed against each other only if the client names both, or rules one out. Otherwise
 *   the better one for the picture wins, since RFC 9110 lets a server weigh with its own quality too: old
 *   browsers name PNG and take JPEG as `image/*;q=0.8`, but a photo as PNG is several times the size.
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
  const formats = formatsBeside(common, weigh(accept));
  return version.animated && !still ? formats.filter((format) => format !== 'avif') : formats;
}

/**
 * Sorts the headers Accept into classes: all headers of a class give the same formats, whatever the picture.
 * There are only 65 classes, so that what is remembered by class stays small. A class is a short word such as
 * `awj/awp`.
 * @param accept the header Accept
 */
export function acceptClass(accept: string | undefined): string {
  const weights = weigh(accept);
  const initials = (common: CommonFormat) => formatsBeside(common, weights).map(([initial]) => initial);
  return [...initials('jpeg'), '/', ...initials('png')].join('');
}

/** Lists the formats by weight. `common` is always in it, and last if the client rules it out. */
function formatsBeside(common: CommonFormat, weights: ReadonlyMap<string, number>): Negotiable[] {
  const other = common === 'jpeg' ? 'png' : 'jpeg';
  const wildcard = weights.get('image/*') ?? weights.get('*/*') ?? 0;
  const named = (format: Negotiable) => weights.get(`image/${format}`);
  const ofCommon = named(common) ?? wildcard;
  const ofOther = named(other) ?? wildcard;
  const newer = ofCommon === 0 && ofOther === 0 ? wildcard : 0;
  const preferred = named(common) !== undefined && named(other) !== undefined && ofOther > ofCommon;
  const weightOf = (format: Negotiable): number => {
    if (format === common) return ofCommon;
    if (format === other) return ofCommon === 0 || preferred ? ofOther : 0;
    return named(format) ?? newer;
  };
  const candidates = PREFERRED.filter((format) => format === common || weightOf(format) > 0);
  return candidates.sort((a, b) => weightOf(b) - weightOf(a));
}

/**
 * The weight of each media range. An item that breaks the grammar counts for nothing, nor does a range with
 * parameters of its own: no picture is sent with parameters.
 */
function weigh(accept = ''): Map<string, number> {
  const weights = new Map<string, number>();
  for (const item of accept.toLowerCase().match(ITEMS) ?? []) {
    const [, range, weight = '1'] = RANGE.exec(item) ?? [];
    if (range !== undefined) weights.set(range, Number(weight));
  }
  return weights;
}
