import { Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs, Public } from '../../access/marks.js';
import { Settings } from '../../config/settings.js';
import { cacheControlOf, privateCacheControl } from '../../delivery/cache-control.js';
import { PictureAnswers } from '../../delivery/picture-answers.js';
import { preferencesOf } from '../../delivery/preferences.js';
import { SheetsService } from '../../delivery/sheets.service.js';
import { sendJson } from '../../http/json-answer.js';
import { positionOf } from '../../model/sheet.js';
import { percentEncode } from '../../tools/percent-encode.js';
import { JsonBody } from '../json-body.js';
import { PublicUrls } from '../public-urls.js';
import { SheetBody, type SheetMap, SheetPipe, SheetQuery, namesIn } from './sheets.dto.js';
import { DescribePostedSheet, DescribeSheet } from './sheets.openapi.js';

/** Serves many avatars as one picture, and its map. */
@ApiTags('avatars')
@Controller('v1/sheets')
export class SheetsController {
  /** A purge by avatar would not find a sheet, so shared caches must not keep one. */
  private readonly cacheControl: string;

  constructor(
    private readonly sheets: SheetsService,
    private readonly answers: PictureAnswers,
    private readonly urls: PublicUrls,
    settings: Settings,
  ) {
    this.cacheControl = privateCacheControl(settings);
  }

  @Get()
  @Public()
  @DescribeSheet()
  async get(
    @Query(SheetPipe) wish: SheetQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.answer(wish, request, reply, () => this.urls.at(request, pathOf(wish)));
  }

  @Post()
  @Needs('read')
  @HttpCode(200)
  @DescribePostedSheet()
  async post(
    @JsonBody() wish: SheetBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    for (const id of wish.ids) caller.assertCovers(id);
    await this.answer(wish, request, reply);
  }

  private async answer(
    wish: SheetQuery | SheetBody,
    request: FastifyRequest,
    reply: FastifyReply,
    url?: () => string,
  ): Promise<void> {
    if (wish.format === 'json') return this.sendMap(wish, request, reply, url?.());
    const { ids, size, default: fallback, scheme } = wish;
    const { dark } = preferencesOf(request);
    const names = namesIn(wish);
    const picture = await this.sheets.show({ ids, size, default: fallback, scheme, dark, names });
    await this.answers.send(request, reply, picture, { 'Cache-Control': this.cacheControl }, undefined);
  }

  private async sendMap(
    wish: SheetQuery | SheetBody,
    request: FastifyRequest,
    reply: FastifyReply,
    url: string | undefined,
  ): Promise<void> {
    const { ids, size } = wish;
    const { layout, avatars } = await this.sheets.find({ ids, size });
    const verified = avatars.every((one) => one.verified);
    const tiles = avatars.map(({ id, value: version, failure }, index) => ({
      id,
      ...positionOf(layout, index),
      version: version?.version ?? null,
      default: failure ? null : version === undefined,
      alt: version?.alt ?? null,
      color: version?.color ?? null,
      thumbhash: version?.thumbhash ?? null,
      animated: version?.animated ?? false,
    }));
    const map: SheetMap = { ...layout, ...(url !== undefined && { url }), tiles };
    sendJson(request, reply, map, cacheControlOf(this.cacheControl, verified));
  }
}

/** The path and query of the picture. */
function pathOf({ ids, size, default: fallback, scheme, name: names = [] }: SheetQuery): string {
  const query = Object.entries({ size, default: fallback, scheme })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `&${name}=${value}`);
  const named = names.map((name) => `&name=${percentEncode(name)}`);
  return `/v1/sheets?ids=${ids.map(encodeURIComponent).join()}${query.join('')}${named.join('')}`;
}
