import { Controller, Delete, Get, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs, OrTicket, Public } from '../../access/marks.js';
import { trailOf } from '../../access/trail.js';
import { UploadCounts } from '../../access/upload-counts.js';
import { AvatarErasure } from '../../avatars/avatar.erasure.js';
import { AvatarsService, type UploadOutcome } from '../../avatars/avatars.service.js';
import { Settings } from '../../config/settings.js';
import { cacheControlOf } from '../../delivery/cache-control.js';
import { PictureAnswers } from '../../delivery/picture-answers.js';
import { PictureUrls } from '../../delivery/picture-urls.js';
import { PicturesService } from '../../delivery/pictures.service.js';
import { preferencesOf } from '../../delivery/preferences.js';
import { CodedError } from '../../errors.js';
import { assertUnconditional, etagOf } from '../../http/conditional.js';
import { sendJson } from '../../http/json-answer.js';
import { addQuota } from '../../http/rate-limit-headers.js';
import { UploadReceiver } from '../../uploads/upload-receiver.js';
import { IdPipe } from '../id.pipe.js';
import { DescribeId } from '../openapi/parameters.js';
import { PublicUrls } from '../public-urls.js';
import {
  ExistsAnswer,
  InfoAnswer,
  type PendingAnswer,
  ReceiptAnswer,
  UrlAnswer,
  VersionAnswer,
} from './avatars.dto.js';
import {
  DescribeCurrentPicture,
  DescribeDelete,
  DescribeExists,
  DescribeInfo,
  DescribeUpload,
  DescribeUrl,
} from './avatars.openapi.js';
import { changeRulesOf } from './change-rules.js';
import { DefaultPipe, DefaultQuery } from './default.query.js';
import { ErasePipe, type EraseQuery } from './erase.query.js';
import { PicturePipe, PictureQuery, UrlQuery } from './picture.query.js';
import { UploadPipe, UploadQuery, withForm } from './upload.query.js';
import { VersionAnswers } from './version-answers.js';

const UPLOAD_STATUS: Record<UploadOutcome, number> = { created: 201, unchanged: 200, pending: 202 };

/** Uploads, shows and deletes avatars, and tells whether there is a picture and where. */
@ApiTags('avatars')
@DescribeId()
@Controller('v1/avatars')
export class AvatarsController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly erasure: AvatarErasure,
    private readonly pictures: PicturesService,
    private readonly pictureUrls: PictureUrls,
    private readonly uploadCounts: UploadCounts,
    private readonly uploads: UploadReceiver,
    private readonly urls: PublicUrls,
    private readonly pictureAnswers: PictureAnswers,
    private readonly versionAnswers: VersionAnswers,
    private readonly settings: Settings,
  ) {}

  @Put(':id')
  @Needs('write', 'upload')
  @OrTicket('upload')
  @DescribeUpload('uploadAvatar', 'Upload a picture')
  async upload(
    @Param('id', IdPipe) id: string,
    @Query(UploadPipe) query: UploadQuery,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    await this.uploadCounts.add(request, reply);
    const rules = { ...changeRulesOf(request.headers, caller), rate: this.settings.uploadsPerAvatar };
    const mostBytes = caller.ticket?.maxBytes ?? Infinity;
    const { version, outcome, quota } = await this.uploads.receive(
      request.raw,
      reply.raw,
      mostBytes,
      (upload) => {
        const { rotate, crop, alt } = withForm(query, upload.fields);
        return this.avatars.upload(id, { ...upload, by: caller.by }, { rotate, crop, alt, ...rules });
      },
    );
    Object.assign(trailOf(request), { version: version.version, outcome });
    if (quota) addQuota(reply, quota);
    reply.status(UPLOAD_STATUS[outcome]).headers({
      ETag: etagOf(version.version),
      Location: this.urls.forKey(request, `avatars/${encodeURIComponent(id)}`),
    });
    return this.versionAnswers.answerFor(request, id, version, outcome === 'pending');
  }

  @Post(':id')
  @Needs('write', 'upload')
  @OrTicket('upload')
  @DescribeUpload(
    'uploadAvatarByPost',
    'Upload a picture: the same as PUT, for clients that can only POST forms',
  )
  uploadByPost(
    @Param('id', IdPipe) id: string,
    @Query(UploadPipe) query: UploadQuery,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    return this.upload(id, query, caller, request, reply);
  }

  @Get(':id')
  @Public()
  @DescribeCurrentPicture()
  async get(
    @Param('id', IdPipe) id: string,
    @Query(PicturePipe) { size, format, animated }: PictureQuery,
    @Query(DefaultPipe) drawing: DefaultQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const wish = { size, format, animated, ...preferencesOf(request), drawing };
    const shown = await this.pictures.show(id, wish);
    await this.pictureAnswers.sendCurrent(request, reply, found(shown), { id });
  }

  @Get(':id/exists')
  @Public()
  @DescribeExists()
  async exists(
    @Param('id', IdPipe) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExistsAnswer> {
    const { value: exists, verified } = await this.avatars.exists(id);
    void reply.header('Cache-Control', freshness(verified));
    return { exists };
  }

  @Get(':id/url')
  @Public()
  @DescribeUrl()
  async getUrl(
    @Param('id', IdPipe) id: string,
    @Query(PicturePipe) { size, format, animated }: UrlQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const wish = { size, format, still: animated === false };
    const { key, url, version, expiresAt, verified } = found(await this.pictureUrls.getUrl(id, wish));
    const answer: UrlAnswer = { url: url ?? this.urls.forKey(request, key), version, expiresAt };
    sendJson(request, reply, answer, freshness(verified));
  }

  @Get(':id/info')
  @Public()
  @DescribeInfo()
  async info(
    @Param('id', IdPipe) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<InfoAnswer> {
    const { value: version, verified, locked } = await this.avatars.get(id);
    void reply.header('Cache-Control', freshness(verified));
    const answer = this.versionAnswers.answerFor(request, id, found(version));
    return Object.assign(answer, locked && { locked });
  }

  @Delete(':id')
  @Needs('write', 'remove')
  @OrTicket('remove')
  @DescribeDelete()
  async delete(
    @Param('id', IdPipe) id: string,
    @Query(ErasePipe) { erase, before }: EraseQuery,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReceiptAnswer | PendingAnswer | undefined> {
    if (erase) {
      trailOf(request).action = 'erase';
      caller.assertMay('admin');
      assertUnconditional(request.headers);
      const { committed, erasedAt, objects, bytes, aliases, purged } = await this.erasure.erase(id, {
        before,
        requestId: request.id,
      });
      const pending = committed === 'pending';
      reply.status(pending ? 202 : 200);
      return { id, erasedAt, objects, bytes, aliases, pending, ...(purged && { purged }) };
    }
    const committed = await this.avatars.delete(id, changeRulesOf(request.headers, caller));
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 204);
    return pending ? { pending } : undefined;
  }
}

/** Clients may keep facts about the current picture, but have to ask again before they use them. */
function freshness(verified: boolean): string {
  return cacheControlOf('no-cache', verified);
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new CodedError('avatar_not_found', 'The avatar has no picture.');
  return value;
}
