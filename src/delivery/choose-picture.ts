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

/**
 * The headers by which a client asks for less motion (Media Queries 5) or less data (RFC 8674's draft,
 * Save-Data).
 */
const MOTION_HEADERS = ['Sec-CH-Prefers-Reduced-Motion', 'Save-Data'] as const;

/** A reader's request for a picture of the current version. */
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
  /** Whether the reader's headers ask for less motion or data. */
  lessMotion?: boolean | undefined;
  /** Whether the reader's headers ask for a dark page's colors. For drawings. */
  dark?: boolean | undefined;
}

/** The picture that answers a wish, and what the answer says about it. */
export interface ChosenPicture {
  picture: PictureRef;
  key: string;
  etag: string;
  format: RenditionFormat;
  vary: readonly string[];
  /** A better picture that takes long to make. It is to be shown as soon as it is at hand. */
  better: PictureRef | undefined;
}

/**
 * Chooses the picture of a version that serves a wish best. Pure, apart from `isAtHand`.
 * @param sizes edges in px of renditions, ascending
 * @param isAtHand tells whether a picture can be shown without making it
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
    ...{ id, version: version.version, master: version.master },
    rendition: chooseRendition(version, { size, exact, format, still }, sizes),
  }));
  // An AVIF takes long to make. Meanwhile the client gets another format that it accepts.
  const isReady = (picture: PictureRef) => picture.rendition.format !== 'avif' || isAtHand(picture);
  const picture = asked === undefined ? candidates.find(isReady) : candidates[0];
  if (!picture) throw new Error('the formats of a client include none that is made quickly');
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

/** The ETag of a picture. It names the version and the rendition, whose bytes never change. */
export function etagOfPicture({ version, rendition }: PictureRef): string {
  return etagOf(`${version}/${renditionName(rendition)}`);
}
