import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../access/marks.js';
import { etagOf, matchesNoneMatch } from '../http/conditional.js';
import type { ElementScript } from './element-script.js';

/** The injection token of the script. */
export const ELEMENT_SCRIPT = Symbol('ELEMENT_SCRIPT');

/**
 * Pages ask again after 5 min, and go on with what they have meanwhile. The URL has no hash in it: during a
 * rolling upgrade, a page would ask an old replica for the script of a new one.
 */
const CACHE_CONTROL = 'public, max-age=300, stale-while-revalidate=86400';

/** Serves what runs in browsers. It is no part of the API for servers. */
@ApiExcludeController()
@Public()
@Controller('ui')
export class UiController {
  constructor(@Inject(ELEMENT_SCRIPT) private readonly script: ElementScript) {}

  @Get('visage.js')
  getScript(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const { 'accept-encoding': encodings = '', 'if-none-match': known } = request.headers;
    const isZipped = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(encodings);
    const { bytes, tag } = isZipped ? this.script.gzip : this.script.plain;
    const etag = etagOf(tag);
    void reply.headers({ ETag: etag, 'Cache-Control': CACHE_CONTROL, Vary: 'Accept-Encoding' });
    if (matchesNoneMatch(known, etag)) {
      void reply.status(304).send();
      return;
    }
    if (isZipped) void reply.header('Content-Encoding', 'gzip');
    void reply.type('text/javascript; charset=utf-8').send(bytes);
  }
}
