import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PictureAnswers } from '../../delivery/picture-answers.js';
import { PicturesService } from '../../delivery/pictures.service.js';
import { CodedError } from '../../errors.js';
import { Public } from '../../access/marks.js';
import { decodeId, isVersion } from '../../model/keys.js';
import { IMMUTABLE } from '../../model/object-attributes.js';
import { parseRenditionName } from '../../model/rendition.js';
import { DescribeRendition } from './pictures.openapi.js';

/** Serves the immutable URLs of pictures: `/v1/` and the key of the object. */
@ApiTags('avatars')
@Public()
@Controller('v1/avatars')
export class PicturesController {
  constructor(
    private readonly pictures: PicturesService,
    private readonly answers: PictureAnswers,
  ) {}

  @Get(':id/:version/:rendition')
  @DescribeRendition()
  async get(
    @Param('id') encodedId: string,
    @Param('version') version: string,
    @Param('rendition') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const id = decodeId(encodedId);
    const rendition = isVersion(version) ? parseRenditionName(name) : undefined;
    const picture = rendition && (await this.pictures.rendition({ id, version, rendition }));
    if (!picture) throw new CodedError('rendition_not_found', 'There is no such rendition of the avatar.');
    await this.answers.send(request, reply, picture, { 'Cache-Control': IMMUTABLE }, { id });
  }
}
