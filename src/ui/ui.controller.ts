import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../access/marks.js';
import { CodedError } from '../errors.js';
import { etagOf, matchesNoneMatch } from '../http/conditional.js';
import type { Script } from './scripts.js';

/** The injection token of the modules by their names. */
export const SCRIPTS = Symbol('SCRIPTS');

/**
 * Pages ask again after 5 min, and go on with what they have meanwhile. The URL has no hash in it: during a
 * rolling upgrade, a page would ask an old replica for the script of a new one.
 */
const CACHE_CONTROL = 'public, max-age=300, stale-while-revalidate=86400';

const TAKES_GZIP = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i;

/** Serves what runs in browsers. It is no part of the API for servers. */
@ApiExcludeController()
@Public()
@Controller('ui')
export class UiController {
  constructor(@Inject(SCRIPTS) private readonly scripts: ReadonlyMap<string, Script>) {}

  @Get(':file')
  getScript(@Param('file') file: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const script = this.scripts.get(file);
    if (!script) throw new CodedError('route_not_found', 'There is no such file. The element is visage.js.');
    const { 'accept-encoding': encodings = '', 'if-none-match': known } = request.headers;
    const isZipped = TAKES_GZIP.test(encodings);
    const { bytes, tag } = isZipped ? script.gzip : script.plain;
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
