import type { OutgoingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { mostUnread } from '../config/body-bytes.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { knowsAnother, matchesNoneMatch, meetsMatch } from '../http/conditional.js';
import { retryAfter } from '../http/problem.js';
import { partOf } from '../http/range.js';
import { refuseRest } from '../server/refuse-rest.js';
import { type Caching, currentPictureCaching } from './cache-control.js';
import { type Origin, cacheHeaders } from './cdn-headers.js';
import { HotAnswers } from './hot-answers.js';
import type { Picture, Redirect } from './picture.js';

/**
 * Headers of every picture. Pictures come from strangers, so nothing in them may run; pages of all origins
 * may show them.
 */
const SAFE = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'cross-origin',
} as const;

/** Sends pictures: whole (200), in part (206), or not at all if the client has them (304). */
@Injectable()
export class PictureAnswers {
  private readonly currentCaching: Caching;

  constructor(
    private readonly hot: HotAnswers,
    private readonly settings: Settings,
  ) {
    this.currentCaching = currentPictureCaching(settings);
  }

  /** Sends the current picture, or what stands in for it. Parameters and errors are those of `send`. */
  sendCurrent(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Picture | Redirect,
    origin: Origin,
  ): Promise<void> {
    return this.sendShown(request, reply, shown, this.currentCaching, origin);
  }

  /**
   * Answers a request. Conditions are answered before the bytes are loaded.
   * @param caching used if the storage vouches for the picture
   * @param origin what the picture was made from, for a CDN; undefined if `caching` is private
   * @throws CodedError `precondition_failed`, `unsatisfiable_range`; what loading the picture throws
   */
  async send(
    request: FastifyRequest,
    reply: FastifyReply,
    picture: Picture,
    caching: Caching,
    origin: Origin | undefined,
  ): Promise<void> {
    const { etag, vary, format, verified, repeat: again, away, instead } = picture;
    const common = {
      ETag: etag,
      ...cacheHeaders(this.settings, request.url, origin, caching, verified),
      ...(vary.length > 0 && { Vary: vary.join(', ') }),
      ...SAFE,
    };
    const whole = {
      ...common,
      'Content-Type': `image/${format}`,
      'Content-Disposition': `inline; filename="avatar.${format}"`,
      'Accept-Ranges': 'bytes',
    };
    const remember = () => {
      if (again && verified) this.hot.remember(request.raw, { common, whole, etag, vary, repeat: again });
    };
    const { headers } = request;
    if (away && knowsAnother(headers, etag)) {
      return this.sendDespiteCopy(request, reply, picture, caching, origin, common);
    }
    // In the order of RFC 9110, section 13.2.2. Pictures have no Last-Modified, so conditions with dates are
    // ignored.
    if (!meetsMatch(headers['if-match'], etag)) {
      throw new CodedError('precondition_failed', `The ETag of the picture is ${etag}.`);
    }
    if (matchesNoneMatch(headers['if-none-match'], etag)) {
      remember();
      // Written to the socket, since Fastify would answer a HEAD with Content-Length: 0 (RFC 9110, section
      // 8.6). That also passes by the hook that refuses the rest of a body.
      refuseRest(request, reply, mostUnread(this.settings));
      reply.headers(common).hijack();
      reply.raw.writeHead(304, reply.getHeaders() as OutgoingHttpHeaders).end();
      return;
    }
    let bytes: Buffer | Picture;
    try {
      bytes = await picture.load();
    } catch (error) {
      if (!instead) throw error;
      return this.sendShown(request, reply, await instead(error), caching, origin);
    }
    if (!Buffer.isBuffer(bytes)) return this.send(request, reply, { instead, ...bytes }, caching, origin);
    remember();
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

  private async sendShown(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Picture | Redirect,
    caching: Caching,
    origin: Origin | undefined,
  ): Promise<void> {
    if (!('redirect' in shown)) return this.send(request, reply, shown, caching, origin);
    const { redirect, verified, away } = shown;
    if (away && knowsAnother(request.headers, undefined)) throw away;
    const headers = cacheHeaders(this.settings, request.url, origin, caching, verified);
    void reply
      .status(302)
      .headers({ Location: redirect, ...headers })
      .send();
  }

  /**
   * Sends what stands in for a picture to a reader who has another copy, perhaps of the picture. By the
   * status a CDN goes on showing its copy, for `stale-if-error` (RFC 5861, section 4). Browsers, whose caches
   * don't, show what is sent whatever its status is.
   */
  private async sendDespiteCopy(
    request: FastifyRequest,
    reply: FastifyReply,
    { format, load }: Picture,
    caching: Caching,
    origin: Origin | undefined,
    headers: Record<string, string>,
  ): Promise<void> {
    const bytes = await load();
    if (!Buffer.isBuffer(bytes)) return this.send(request, reply, bytes, caching, origin);
    const retry = { 'Retry-After': retryAfter('storage_unavailable'), 'Content-Type': `image/${format}` };
    void reply
      .status(503)
      .headers({ ...headers, ...retry })
      .send(bytes);
  }
}
