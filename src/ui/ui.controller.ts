import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../access/marks.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { etagOf, matchesNoneMatch } from '../http/conditional.js';
import type { WebFile, WebFiles } from './web-files.js';

/** The injection token of the files. */
export const WEB_FILES = Symbol('WEB_FILES');

/**
 * Pages ask again after 5 min, and go on with what they have meanwhile. The URL has no hash in it: during a
 * rolling upgrade, a page would ask an old replica for the script of a new one.
 */
const OF_SCRIPTS = 'public, max-age=300, stale-while-revalidate=86400';

/** A page asks for its scripts by the same release. */
const OF_PAGES = 'no-cache';

const TAKES_GZIP = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i;

/** `/ui/`, to which the links of the page are relative: Nest makes one slash of two, and none of one. */
const FOLDER = '//';

/** Serves what runs in browsers. It is no part of the API for servers. */
@ApiExcludeController()
@Public()
@Controller('ui')
export class UiController {
  constructor(
    @Inject(WEB_FILES) private readonly files: WebFiles,
    private readonly settings: Settings,
  ) {}

  /** The page to which an application sends its users by a link. */
  @Get('edit')
  getEditor(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { editorFrameAncestors: ancestors } = this.settings;
    this.sendPage(request, reply, 'edit.html', ancestors.length === 0 ? "'none'" : ancestors.join(' '));
  }

  @Get()
  leadToPlayground(@Res() reply: FastifyReply): void {
    this.assertDevelopment();
    void reply.redirect('ui/', 302);
  }

  /** A page to try the element, in development. */
  @Get(FOLDER)
  getPlayground(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.assertDevelopment();
    this.sendPage(request, reply, 'play.html', "'none'");
  }

  @Get(':file')
  getFile(@Param('file') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const file = name.endsWith('.html') ? undefined : this.files.get(name);
    if (!file) {
      throw new CodedError('route_not_found', 'There is no such file. /ui/visage.js is the element.');
    }
    void reply.header('Cache-Control', OF_SCRIPTS);
    send(request, reply, file);
  }

  /** @param ancestors which pages may show it in a frame */
  private sendPage(request: FastifyRequest, reply: FastifyReply, name: string, ancestors: string): void {
    const page = this.files.get(name);
    if (!page) throw new Error(`the build has made no ${name}`);
    // Pictures may come from PUBLIC_BASE_URL, a CDN, or a bucket.
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src *; base-uri 'none'; " +
      `form-action 'none'; frame-ancestors ${ancestors}; require-trusted-types-for 'script'; trusted-types 'none'`;
    void reply.headers({
      'Cache-Control': OF_PAGES,
      'Content-Security-Policy': policy,
      // Its own URL is nobody's business, though no browser sends the fragment.
      'Referrer-Policy': 'no-referrer',
    });
    send(request, reply, page);
  }

  /** @throws CodedError `route_not_found` */
  private assertDevelopment(): void {
    if (this.settings.nodeEnv !== 'production') return;
    throw new CodedError('route_not_found', 'This page is there in development only.');
  }
}

function send(request: FastifyRequest, reply: FastifyReply, file: WebFile): void {
  const { 'accept-encoding': encodings = '', 'if-none-match': known } = request.headers;
  const isZipped = TAKES_GZIP.test(encodings);
  const { bytes, tag } = isZipped ? file.gzip : file.plain;
  const etag = etagOf(tag);
  void reply.headers({ ETag: etag, Vary: 'Accept-Encoding' });
  if (matchesNoneMatch(known, etag)) {
    void reply.status(304).send();
    return;
  }
  if (isZipped) void reply.header('Content-Encoding', 'gzip');
  void reply.type(file.type).send(bytes);
}
