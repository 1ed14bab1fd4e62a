import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { RENDITION_FORMATS, type RenditionFormat } from '../model/formats.js';
import { PLACEHOLDER_KINDS, type PlaceholderKind } from '../model/placeholder-kinds.js';
import { allowedUrl } from './allowed-urls.js';

/** Shown if there is no picture: a drawing, the picture at a URL, or nothing. */
export type Fallback = { kind: PlaceholderKind } | { url: string } | 'nothing';

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
}

/** Values of `d` other than a URL. */
export const GRAVATAR_DEFAULTS = ['404', 'mm', ...PLACEHOLDER_KINDS] as const;

/** Default edge in px, by https://wiki.libravatar.org/api/. */
const USUAL_SIZE = 80;

/** `48` or `48x48`. */
const SIZE = /^(\d+)(?:x\d+)?$/i;

/** Longest name or initials that are read, in UTF-16 code units. */
const LONGEST_TEXT = 256;

/** Reads requests as https://docs.gravatar.com/api/avatars/images/ and https://wiki.libravatar.org/api/ describe them. */
@Injectable()
export class GravatarRequests {
  /** Drawn if the client asks for nothing that we know. */
  private readonly usual: PlaceholderKind;
  /** Origins and URL prefixes under which clients may have default pictures of their own. */
  private readonly urls: readonly URL[];

  constructor(private readonly settings: Settings) {
    const { avatarDefault, gravatarDefaultUrls } = settings;
    // Clients of these routes ask for a 404 themselves if they want one.
    this.usual = avatarDefault === '404' ? 'mp' : avatarDefault;
    this.urls = gravatarDefaultUrls.map((url) => new URL(url));
  }

  /**
   * Reads a request. There are no invalid ones: whatever is not understood is ignored.
   * @param file the last part of the path
   */
  read(file: string, query: Readonly<Record<string, unknown>>): GravatarRequest {
    const said = (long: string, short = long) => lastOf(query[long] ?? query[short]);
    return {
      ...readFile(file.toLowerCase()),
      size: Math.min(readSize(said('size', 's')), this.settings.gravatarMaxSize),
      fallback: this.readFallback(said('default', 'd') ?? ''),
      forced: said('forcedefault', 'f') === 'y',
      name: said('name')?.slice(0, LONGEST_TEXT),
      initials: said('initials')?.slice(0, LONGEST_TEXT),
    };
  }

  private readFallback(text: string): Fallback {
    if (text === '404') return 'nothing';
    const kind = text === 'mm' ? 'mp' : PLACEHOLDER_KINDS.find((one) => one === text);
    if (kind) return { kind };
    const url = allowedUrl(text, this.urls);
    return url === undefined ? { kind: this.usual } : { url };
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
