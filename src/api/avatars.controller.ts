import {
  Controller,
  Delete,
  Get,
  Header,
  Param,
  Post,
  Put,
  Query,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvatarsService, type UploadOutcome } from '../avatars/avatars.service.js';
import { MOTION_HEADERS, PictureAnswers, preferencesOf } from '../delivery/picture-answers.js';
import { CodedError } from '../errors.js';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { cacheControlOf } from '../http/cache-control.js';
import { etagOf, preconditionOf } from '../http/conditional.js';
import { PublicUrls } from '../http/public-urls.js';
import { isVersion, readId } from '../model/keys.js';
import { IMMUTABLE } from '../model/object-attributes.js';
import { mayMove, parseRenditionName } from '../model/rendition.js';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import {
  DefaultPipe,
  DefaultQuery,
  ErasePipe,
  type EraseQuery,
  ExistsAnswer,
  HistoryAnswer,
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
  versionOf,
} from './avatars.dto.js';
import {
  DescribeDelete,
  DescribeHistory,
  DescribeMissing,
  DescribePicture,
  DescribeRestore,
  DescribeUpload,
} from './avatars.openapi.js';
import { DescribeProblems } from './problems.openapi.js';

/** Much more than the name of a version takes. */
const RESTORE_MAX_BYTES = 4096;

const UPLOAD_STATUS: Record<UploadOutcome, number> = { created: 201, unchanged: 200, pending: 202 };

@ApiTags('avatars')
@DescribeProblems()
@Controller('v1/avatars')
export class AvatarsController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly uploads: UploadReceiver,
    private readonly json: JsonReceiver,
    private readonly urls: PublicUrls,
    private readonly pictures: PictureAnswers,
  ) {}

  @Put(':id')
  @UseGuards(ApiKeyGuard)
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
    return this.answer(request, id, version, outcome === 'pending');
  }

  @Post(':id')
  @UseGuards(ApiKeyGuard)
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
  @DescribePicture('The current picture')
  async get(
    @Param('id', ValidId) id: string,
    @Query(PicturePipe) query: PictureQuery,
    @Query(DefaultPipe) drawing: DefaultQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { size, format } = query;
    const { accept, still } = preferencesOf(request, query.animated);
    const { picture, verified } = await this.avatars.get(id, { size, format, accept, still });
    const shown = picture ?? found(await this.avatars.getDefault(id, drawing, { size, format, accept }));
    const vary = [
      ...(format === undefined ? ['Accept'] : []),
      ...(picture?.animated && query.animated === undefined && mayMove(format) ? MOTION_HEADERS : []),
    ];
    const cacheControl = this.pictures.stable;
    this.pictures.send(request, reply, { ...shown, verified, etag: etagOf(shown.tag), cacheControl, vary });
  }

  @Get(':id/exists')
  @ApiOperation({ summary: 'Whether there is a current picture' })
  @ApiOkResponse({ type: ExistsAnswer })
  async exists(
    @Param('id', ValidId) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ExistsAnswer> {
    const { version, verified } = await this.avatars.current(id);
    setFreshness(reply, verified);
    return { exists: version !== undefined };
  }

  @Get(':id/url')
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
    const { key, url, version, expiresAt, verified } = found(await this.avatars.getUrl(id, wish));
    setFreshness(reply, verified);
    return { url: url ?? this.urls.of(request, key), version, expiresAt };
  }

  @Get(':id/info')
  @ApiOperation({ summary: "The current version's facts and its immutable URLs" })
  @ApiOkResponse({ type: VersionAnswer })
  @DescribeMissing()
  async info(
    @Param('id', ValidId) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const { version, verified } = await this.avatars.current(id);
    setFreshness(reply, verified);
    return this.answer(request, id, found(version));
  }

  @Get(':id/versions')
  @Header('Cache-Control', 'no-store')
  @UseGuards(ApiKeyGuard)
  @DescribeHistory()
  async versions(@Param('id', ValidId) id: string, @Req() request: FastifyRequest): Promise<HistoryAnswer> {
    const { current, versions, erasedAt } = await this.avatars.history(id);
    const answers = versions.map((version) => this.answer(request, id, version));
    return { id, current, versions: answers, ...(erasedAt !== undefined && { erasedAt }) };
  }

  @Put(':id/current')
  @UseGuards(ApiKeyGuard)
  @DescribeRestore()
  async restore(
    @Param('id', ValidId) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const precondition = preconditionOf(request.headers);
    const name = versionOf(await this.json.receive(request.raw, RESTORE_MAX_BYTES));
    const { version, committed } = await this.avatars.restore(id, name, { precondition });
    reply.status(committed === 'pending' ? 202 : 200).header('ETag', etagOf(version.version));
    return this.answer(request, id, version, committed === 'pending');
  }

  @Delete(':id')
  @UseGuards(ApiKeyGuard)
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

  @Get(':id/:version/:rendition')
  @DescribePicture('One rendition of one version: these bytes never change')
  async getRendition(
    @Param('id') writtenId: string,
    @Param('version') version: string,
    @Param('rendition') name: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const id = readId(writtenId);
    const rendition = isVersion(version) ? parseRenditionName(name) : undefined;
    const picture = rendition && (await this.avatars.getRendition(id, version, rendition));
    if (!picture) throw new CodedError('rendition_not_found', 'There is no such rendition of the avatar.');
    this.pictures.send(request, reply, {
      ...picture,
      etag: etagOf(picture.tag),
      cacheControl: IMMUTABLE,
      vary: [],
    });
  }

  private answer(
    request: FastifyRequest,
    id: string,
    version: Parameters<AvatarsService['keysOf']>[1],
    pending = false,
  ): VersionAnswer {
    const keys = Object.entries(this.avatars.keysOf(id, version));
    const urls = keys.map(([size, key]) => [size, this.urls.of(request, key)] as const);
    return new VersionAnswer(id, version, Object.fromEntries(urls), pending);
  }
}

/** Facts of the current picture may be kept, but not used again without asking. */
function setFreshness(reply: FastifyReply, verified: boolean): void {
  void reply.header('Cache-Control', cacheControlOf('no-cache', verified));
}

/** An erasure is of everything, whatever is current. */
function assertUnconditional(precondition: unknown): void {
  if (precondition === undefined) return;
  throw new CodedError('invalid_precondition', 'An erasure takes no If-Match and no If-None-Match.');
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new CodedError('avatar_not_found', 'The avatar has no picture.');
  return value;
}
