import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError } from '../errors.js';
import { cacheControlOf } from '../http/cache-control.js';
import { matchesNoneMatch } from '../http/conditional.js';
import { partOf } from '../http/range.js';
import type { Again, HotAnswers } from './hot-answers.js';

/** The headers by which a client asks for less motion (Media Queries 5) or less data (RFC 8674's draft, Save-Data). */
export const MOTION_HEADERS = ['Sec-CH-Prefers-Reduced-Motion', 'Save-Data'] as const;

export interface PictureAnswer {
  bytes: Buffer;
  /** For the same request. */
  again: Again | undefined;
  format: string;
  etag: string;
  /** If `verified`. */
  cacheControl: string;
  /** Whether the storage vouches for the picture. Otherwise it is sent `no-store`, and not remembered here either. */
  verified: boolean;
  /** The headers of the request that decided what is answered. */
  vary: readonly string[];
}

export interface PictureAnswersOptions {
  /** How long a client may show what it has without asking, in seconds. */
  maxAge: number;
  /** How long it may go on to show it while it asks, and how long while nobody answers. */
  staleWhileRevalidate: number;
  staleIfError: number;
}

/**
 * What goes with every picture: pictures come from strangers and are shown on other origins' pages, so nothing in them may
 * run, and everyone may show them.
 */
const SAFE = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
} as const;

/** Answers with pictures: whole, in part, or that the client has it already. */
export class PictureAnswers {
  /** Cache-Control of URLs whose picture may be replaced at any time. */
  readonly stable: string;

  constructor(
    private readonly hot: HotAnswers,
    { maxAge, staleWhileRevalidate, staleIfError }: PictureAnswersOptions,
  ) {
    this.stable = `public, max-age=${maxAge}, stale-while-revalidate=${staleWhileRevalidate}, stale-if-error=${staleIfError}`;
  }

  send(request: FastifyRequest, reply: FastifyReply, picture: PictureAnswer): void {
    const { bytes, etag, vary, format, verified } = picture;
    const common = {
      ETag: etag,
      'Cache-Control': cacheControlOf(picture.cacheControl, verified),
      ...(vary.length > 0 && { Vary: vary.join(', ') }),
      ...SAFE,
    };
    const whole = {
      ...common,
      'Content-Type': `image/${format}`,
      'Content-Disposition': `inline; filename="avatar.${format}"`,
      'Accept-Ranges': 'bytes',
    };
    const { again } = picture;
    if (again && verified) {
      const length = { 'Content-Length': String(bytes.length) };
      this.hot.remember(request.raw, { common, whole: { ...whole, ...length }, etag, vary, again });
    }
    const { headers } = request;
    if (matchesNoneMatch(headers['if-none-match'], etag)) {
      // By hand: Fastify would tell a HEAD that the picture has no bytes (RFC 9110, section 8.6).
      reply.headers(common).hijack();
      reply.raw.writeHead(304, reply.getHeaders() as OutgoingHttpHeaders).end();
      return;
    }
    // Ranges are for GET only: RFC 9110, section 14.2.
    const range = request.method === 'GET' ? headers.range : undefined;
    const part = partOf(range, headers['if-range'] as string | undefined, etag, bytes.length);
    if (part === 'unsatisfiable') {
      reply.header('Content-Range', `bytes */${bytes.length}`);
      throw new CodedError('unsatisfiable_range', `The picture has ${bytes.length} bytes.`);
    }
    void reply.headers(whole);
    if (part === undefined) {
      void reply.send(bytes);
      return;
    }
    const { start, end } = part;
    reply.status(206).header('Content-Range', `bytes ${start}-${end}/${bytes.length}`);
    void reply.send(bytes.subarray(start, end + 1));
  }
}

/**
 * What a client would rather see.
 * @param animated what it says outright; undefined: its headers decide
 */
export function preferencesOf(
  { headers }: { headers: IncomingHttpHeaders },
  animated: boolean | undefined,
): { accept: string | undefined; still: boolean } {
  // The specification has it in quotes (https://wicg.github.io/user-preference-media-features-headers/), Chromium has not.
  const motion = headers['sec-ch-prefers-reduced-motion'];
  const lessMotion = motion === 'reduce' || motion === '"reduce"' || headers['save-data'] === 'on';
  return { accept: headers.accept, still: animated === undefined ? lessMotion : !animated };
}
