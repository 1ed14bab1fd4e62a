import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { RENDITION_FORMATS, type RenditionFormat } from '../model/formats.js';
import { SCHEMES, type Scheme } from '../placeholders/colors.js';
import { type Fallback, Fallbacks } from './fallbacks.js';

/** A picture as the clients of Gravatar and Libravatar ask for it. */
export interface GravatarRequest {
  /** Hash of an e-mail address in lower case, or any other text in its place. */
  hash: string;
  /** Edge in px, exactly. */
  size: number;
  /** Undefined: the client's Accept decides. */
  format: RenditionFormat | undefined;
  fallback: Fallback;
  /** Show the fallback even if there is a picture. */
  forced: boolean;
  /** For the drawing of initials. */
  name: string | undefined;
  initials: string | undefined;
  /** Undefined: the client's headers decide. */
  scheme: Scheme | undefined;
}

/** Default edge in px, by https://wiki.libravatar.org/api/. */
const USUAL_SIZE = 80;

/** `48` or `48x48`. */
const SIZE = /^(\d+)(?:x\d+)?$/i;

/** Longest name or initials that are read, in UTF-16 code units. */
const LONGEST_TEXT = 256;

/**
 * Reads requests as https://docs.gravatar.com/api/avatars/images/ and https://wiki.libravatar.org/api/
 * describe them.
 */
@Injectable()
export class GravatarRequests {
  constructor(
    private readonly settings: Settings,
    private readonly fallbacks: Fallbacks,
  ) {}

  /**
   * Reads a request. There are no invalid ones: whatever is not understood is ignored.
   * @param file the last part of the path
   */
  read(file: string, query: Readonly<Record<string, unknown>>): GravatarRequest {
    const said = (long: string, short = long) => lastOf(query[long] ?? query[short]);
    return {
      ...readFile(file.toLowerCase()),
      size: Math.min(readSize(said('size', 's')), this.settings.gravatarMaxSize),
      fallback: this.fallbacks.named(said('default', 'd') ?? '') ?? this.fallbacks.usualPicture,
      forced: said('forcedefault', 'f') === 'y',
      name: said('name')?.slice(0, LONGEST_TEXT),
      initials: said('initials')?.slice(0, LONGEST_TEXT),
      scheme: SCHEMES.find((one) => one === said('scheme')),
    };
  }
}

/** If a parameter is repeated, the last one counts, as in PHP (Gravatar) and Django (Libravatar). */
function lastOf(value: unknown): string | undefined {
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof last === 'string' ? last : undefined;
}

function readFile(file: string): Pick<GravatarRequest, 'hash' | 'format'> {
  const dot = file.lastIndexOf('.');
  const extension = file.slice(dot + 1);
  const format = RENDITION_FORMATS.find((one) => one === (extension === 'jpg' ? 'jpeg' : extension));
  return dot < 0 || !format ? { hash: file, format: undefined } : { hash: file.slice(0, dot), format };
}

function readSize(text = ''): number {
  return Number(SIZE.exec(text.trim())?.[1]) || USUAL_SIZE;
}
