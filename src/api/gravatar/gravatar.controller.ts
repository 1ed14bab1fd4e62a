import { Controller, Get, Options, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeEndpoint, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FALLBACK_NAMES } from '../../delivery/fallbacks.js';
import { GravatarRequests } from '../../delivery/gravatar-requests.js';
import { GravatarService } from '../../delivery/gravatar.service.js';
import { PictureAnswers } from '../../delivery/picture-answers.js';
import { preferencesOf } from '../../delivery/preferences.js';
import { CodedError } from '../../errors.js';
import { OPEN } from '../../http/cors.js';
import { Public } from '../../access/marks.js';
import { DescribeGravatar, DescribeGravatarDefaults } from './gravatar.openapi.js';

/** `/avatar/`, since a parameter cannot be empty: Nest makes one slash of two, and none of one. */
const NO_HASH = '//';

/** The wire contract of Gravatar and Libravatar. */
@ApiTags('gravatar')
@Public()
@Controller('avatar')
export class GravatarController {
  constructor(
    private readonly gravatars: GravatarService,
    private readonly pictures: PictureAnswers,
    private readonly requests: GravatarRequests,
  ) {}

  @Get()
  @ApiExcludeEndpoint()
  refuse(): never {
    throw new CodedError('no_hash', 'The hash is missing. Put the hash of an e-mail address after /avatar/.');
  }

  @Get(':hash')
  @DescribeGravatar()
  async get(
    @Param('hash') file: string,
    @Query() query: Record<string, unknown>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const wish = this.requests.read(file, query);
    const { shown, id } = await this.gravatars.get(wish, preferencesOf(request));
    if (!shown) throw new CodedError('avatar_not_found', 'There is no picture for this hash.');
    await this.pictures.sendCurrent(request, reply, shown, { id, hash: wish.hash });
  }

  @Get(NO_HASH)
  @ApiExcludeEndpoint()
  getNobody(
    @Query() query: Record<string, unknown>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.get('', query, request, reply);
  }

  /** What OPTIONS means to Libravatar: `Allow` lists the defaults. */
  @Options()
  @DescribeGravatarDefaults()
  listDefaults(@Res() reply: FastifyReply): void {
    void reply.headers({ ...OPEN, Allow: FALLBACK_NAMES.join(', ') }).send();
  }

  @Options([NO_HASH, ':hash'])
  @ApiExcludeEndpoint()
  listDefaultsAnywhere(@Res() reply: FastifyReply): void {
    this.listDefaults(reply);
  }
}
