import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Found, Lookup } from '../../avatars/lookup.js';
import { cacheControlOf } from '../../delivery/cache-control.js';
import { PicturesService } from '../../delivery/pictures.service.js';
import { sendJson } from '../../http/json-answer.js';
import type { RenditionFormat } from '../../model/formats.js';
import type { Version } from '../../model/manifest.js';
import { JsonBody } from '../json-body.js';
import { PublicUrls } from '../public-urls.js';
import { LookupBody, type LookupEntry } from './lookup.dto.js';
import { DescribeLookup } from './lookup.openapi.js';

/** Looks many avatars up at once. */
@ApiTags('avatars')
@Controller('v1/avatars/lookup')
export class LookupController {
  constructor(
    private readonly lookups: Lookup,
    private readonly pictures: PicturesService,
    private readonly urls: PublicUrls,
  ) {}

  @Post()
  @HttpCode(200)
  @DescribeLookup()
  async lookup(
    @JsonBody() wish: LookupBody,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const asked = (wish.hashes ?? []).map((hash) => hash.toLowerCase());
    const { avatars, hashes } = await this.lookups.find(new Set(wish.ids), new Set(asked));
    const answered = (found: Map<string, Found>) =>
      Object.fromEntries([...found].map(([name, one]) => [name, this.entry(request, name, one, wish)]));
    const answer = { avatars: answered(avatars), hashes: answered(hashes) };
    const verified = [...avatars.values(), ...hashes.values()].every((found) => found.verified);
    sendJson(request, reply, answer, cacheControlOf('private, no-cache', verified));
  }

  /** @param name the id or hash that the client asked for */
  private entry(
    request: FastifyRequest,
    name: string,
    { id, value: version }: Found,
    wish: LookupBody,
  ): LookupEntry {
    const { sizes = this.pictures.sizes, format } = wish;
    let paths: Record<string, string>;
    if (id === undefined) paths = defaultsOfHash(name, sizes, format);
    else if (version === undefined) paths = defaultsOf(id, sizes, format);
    else paths = this.picturesOf(id, version, wish);
    const urls = Object.entries(paths).map(([size, path]) => [size, this.urls.at(request, path)] as const);
    return {
      id: id ?? null,
      version: version?.version ?? null,
      default: version === undefined,
      urls: Object.fromEntries(urls),
      thumbhash: version?.thumbhash ?? null,
      color: version?.color ?? null,
      alt: version?.alt ?? null,
      animated: version?.animated ?? false,
    };
  }

  private picturesOf(id: string, version: Version, wish: LookupBody): Record<string, string> {
    const keys = Object.entries(this.pictures.keysOf(id, version, wish));
    return Object.fromEntries(keys.map(([size, key]) => [size, `/v1/${key}`]));
  }
}

/** The paths of the default picture of an avatar. */
function defaultsOf(
  id: string,
  sizes: readonly number[],
  format: RenditionFormat | undefined,
): Record<string, string> {
  const more = format === undefined ? '' : `&format=${format}`;
  const path = `/v1/avatars/${encodeURIComponent(id)}`;
  return Object.fromEntries(sizes.map((size) => [size, `${path}?size=${size}${more}`]));
}

/** The paths of the default picture of a hash that stands for no avatar. */
function defaultsOfHash(
  hash: string,
  sizes: readonly number[],
  format: RenditionFormat | undefined,
): Record<string, string> {
  const path = `/avatar/${hash}${format === undefined ? '' : `.${format}`}`;
  return Object.fromEntries(sizes.map((size) => [size, `${path}?s=${size}`]));
}
