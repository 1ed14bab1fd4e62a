import { Controller, Delete, Get, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvatarsService, type UploadOutcome } from '../avatars/avatars.service.js';
import { cacheControlOf } from '../delivery/cache-control.js';
import { PictureAnswers, preferencesOf } from '../delivery/picture-answers.js';
import { PicturesService } from '../delivery/pictures.service.js';
import { CodedError } from '../errors.js';
import { etagOf, preconditionOf } from '../http/conditional.js';
import { PublicUrls } from '../http/public-urls.js';
import { Public } from '../http/public.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import {
  DefaultPipe,
  DefaultQuery,
  ErasePipe,
  type EraseQuery,
  ExistsAnswer,
  PicturePipe,
  PictureQuery,
  ReceiptAnswer,
  UploadPipe,
  UploadQuery,
  UrlAnswer,
  UrlQuery,
  ValidId,
  VersionAnswer,
  oneAlt,
  oneCrop,
} from './avatars.dto.js';
import { DescribeDelete, DescribeMissing, DescribePicture, DescribeUpload } from './avatars.openapi.js';
import { DescribeProblems } from './problems.openapi.js';
import { VersionAnswers } from './version-answers.js';

const UPLOAD_STATUS: Record<UploadOutcome, number> = { created: 201, unchanged: 200, pending: 202 };

/** Uploads, shows and deletes avatars, and tells whether and where there is a picture. */
@ApiTags('avatars')
@DescribeProblems()
@Controller('v1/avatars')
export class AvatarsController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly pictures: PicturesService,
    private readonly uploads: UploadReceiver,
    private readonly urls: PublicUrls,
    private readonly pictureAnswers: PictureAnswers,
    private readonly versionAnswers: VersionAnswers,
  ) {}

  @Put(':id')
  @DescribeUpload('Upload a picture: a form with the field "file", or the bare picture as the body')
  async upload(
    @Param('id', ValidId) id: string,
    @Query(UploadPipe) query: UploadQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const precondition = preconditionOf(request.headers);
    const { version, outcome } = await this.uploads.receive(request.raw, reply.raw, (upload) =>
      this.avatars.upload(id, upload, {
        crop: oneCrop(query.crop, upload.fields['crop']),
        alt: oneAlt(query.alt, upload.fields['alt']),
        precondition,
      }),
    );
    reply.status(UPLOAD_STATUS[outcome]).headers({
      ETag: etagOf(version.version),
      Location: this.urls.of(request, `avatars/${encodeURIComponent(id)}`),
    });
    return this.versionAnswers.of(request, id, version, outcome === 'pending');
  }

  @Post(':id')
  @DescribeUpload('The same as PUT, for clients that can only send forms by POST')
  uploadByPost(
    @Param('id', ValidId) id: string,
    @Query(UploadPipe) query: UploadQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    return this.upload(id, query, request, reply);
  }

  @Get(':id')
  @Public()
  @DescribePicture('The current picture')
  async get(
    @Param('id', ValidId) id: string,
    @Query(PicturePipe) { size, format, animated }: PictureQuery,
    @Query(DefaultPipe) drawing: DefaultQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const wish = { size, format, animated, ...preferencesOf(request) };
    const picture = await this.pictures.show(id, wish, drawing);
    await this.pictureAnswers.send(request, reply, found(picture), this.pictureAnswers.currentCacheControl);
  }

  @Get(':id/exists')
  @Public()
  @ApiOperation({ summary: 'Whether there is a current picture' })
  @ApiOkResponse({ type: ExistsAnswer })
  async exists(
    @Param('id', ValidId) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExistsAnswer> {
    const { exists, verified } = await this.avatars.exists(id);
    setFreshness(reply, verified);
    return { exists };
  }

  @Get(':id/url')
  @Public()
  @ApiOperation({
    summary: "Where a browser gets the current picture: the service's URL, the CDN's or a presigned one",
  })
  @ApiOkResponse({ type: UrlAnswer })
  @DescribeMissing()
  async getUrl(
    @Param('id', ValidId) id: string,
    @Query(PicturePipe) { size, format, animated }: UrlQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UrlAnswer> {
    const wish = { size, format, still: animated === false };
    const { key, url, version, expiresAt, verified } = found(await this.pictures.getUrl(id, wish));
    setFreshness(reply, verified);
    return { url: url ?? this.urls.of(request, key), version, expiresAt };
  }

  @Get(':id/info')
  @Public()
  @ApiOperation({ summary: "The current version's facts and its immutable URLs" })
  @ApiOkResponse({ type: VersionAnswer })
  @DescribeMissing()
  async info(
    @Param('id', ValidId) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const { version, verified } = await this.avatars.get(id);
    setFreshness(reply, verified);
    return this.versionAnswers.of(request, id, found(version));
  }

  @Delete(':id')
  @DescribeDelete()
  async delete(
    @Param('id', ValidId) id: string,
    @Query(ErasePipe) { erase, before }: EraseQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReceiptAnswer | undefined> {
    const precondition = preconditionOf(request.headers);
    if (erase) {
      assertUnconditional(precondition);
      const { committed, erasedAt, objects, bytes, aliases } = await this.avatars.erase(id, {
        before,
        requestId: request.id,
      });
      const pending = committed === 'pending';
      reply.status(pending ? 202 : 200);
      return { id, erasedAt, objects, bytes, aliases, pending };
    }
    const committed = await this.avatars.delete(id, { precondition });
    reply.status(committed === 'pending' ? 202 : 204);
    return undefined;
  }
}

/** Clients may keep facts about the current picture, but must ask again before they use them. */
function setFreshness(reply: FastifyReply, verified: boolean): void {
  void reply.header('Cache-Control', cacheControlOf('no-cache', verified));
}

/** An erasure removes everything, whatever is current. */
function assertUnconditional(precondition: unknown): void {
  if (precondition === undefined) return;
  throw new CodedError('invalid_precondition', 'An erasure takes no If-Match and no If-None-Match.');
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new CodedError('avatar_not_found', 'The avatar has no picture.');
  return value;
}
