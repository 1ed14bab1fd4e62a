import { etagOf } from '../http/conditional.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Version } from '../model/manifest.js';
import {
  type PictureRef,
  chooseRendition,
  keyOfPicture,
  mayMove,
  renditionName,
} from '../model/rendition.js';
import { type CommonFormat, acceptedFormats } from './negotiation.js';

/** The headers by which a client asks for less motion (Media Queries 5) or less data (RFC 8674's draft, Save-Data). */
const MOTION_HEADERS = ['Sec-CH-Prefers-Reduced-Motion', 'Save-Data'] as const;

/** What a reader wants to see of the current version. */
export interface PictureWish {
  /** Edge in px; undefined: the master's. */
  size?: number | undefined;
  /** The edge is `size`, also between the sizes and above the master's. */
  exact?: boolean | undefined;
  /** Undefined: the best format that `accept` takes. */
  format?: RenditionFormat | undefined;
  /** The header Accept. */
  accept?: string | undefined;
  /** The format for clients that name no newer one; undefined: the master's, or PNG. */
  common?: CommonFormat | undefined;
  /** Whether the reader wants motion; undefined: `lessMotion` decides. */
  animated?: boolean | undefined;
  /** The reader's headers ask for less motion or data. */
  lessMotion?: boolean | undefined;
}

/** The picture that answers a wish, and what the answer says about it. */
export interface ChosenPicture {
  picture: PictureRef;
  key: string;
  etag: string;
  format: RenditionFormat;
  vary: readonly string[];
  /** A better picture that takes long to make, and is to be shown as soon as it is at hand. */
  better: PictureRef | undefined;
}

/**
 * Chooses the picture of a version that serves a wish best. Pure, apart from what `isAtHand` tells.
 * @param sizes edges in px that renditions are made at, ascending
 * @param isAtHand whether a picture can be shown without making it
 */
export function choosePicture(
  id: string,
  version: Version,
  wish: PictureWish,
  sizes: readonly number[],
  isAtHand: (picture: PictureRef) => boolean,
): ChosenPicture {
  const { size, exact, format: asked, accept, common, animated, lessMotion = false } = wish;
  const still = animated === undefined ? lessMotion : !animated;
  const formats = asked === undefined ? acceptedFormats(version, accept, still, common) : [asked];
  const candidates = formats.map((format) => ({
    ...{ id, version: version.version },
    rendition: chooseRendition(version, { size, exact, format, still }, sizes),
  }));
  // An AVIF takes long to make: a client that takes something else, too, gets that meanwhile.
  const isReady = (picture: PictureRef) => picture.rendition.format !== 'avif' || isAtHand(picture);
  const picture = asked === undefined ? candidates.find(isReady) : candidates[0];
  if (!picture) throw new Error('every client takes a format that is quickly made');
  const before = candidates.slice(0, candidates.indexOf(picture));
  return {
    picture,
    key: keyOfPicture(picture),
    etag: etagOfPicture(picture),
    format: picture.rendition.format,
    vary: [
      ...(asked === undefined ? ['Accept'] : []),
      ...(version.animated && animated === undefined && mayMove(asked) ? MOTION_HEADERS : []),
    ],
    better: before.at(-1),
  };
}

/** Names the version and the rendition, whose bytes never change. */
export function etagOfPicture({ version, rendition }: PictureRef): string {
  return etagOf(`${version}/${renditionName(rendition)}`);
}
