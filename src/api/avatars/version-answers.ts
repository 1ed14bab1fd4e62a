import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { PicturesService } from '../../delivery/pictures.service.js';
import type { Version } from '../../model/manifest.js';
import { PublicUrls } from '../public-urls.js';
import type { VersionAnswer } from './avatars.dto.js';

/** Builds the answers that tell the facts of a version, with the URLs of its pictures. */
@Injectable()
export class VersionAnswers {
  constructor(
    private readonly pictures: PicturesService,
    private readonly urls: PublicUrls,
  ) {}

  answerFor(request: FastifyRequest, id: string, version: Version, pending = false): VersionAnswer {
    const keys = Object.entries(this.pictures.keysOf(id, version));
    const urls = keys.map(([size, key]) => [size, this.urls.forKey(request, key)] as const);
    return {
      id,
      version: version.version,
      width: version.width,
      height: version.height,
      format: version.master,
      bytes: version.bytes,
      animated: version.animated,
      ...(version.reduced !== undefined && { reduced: version.reduced }),
      thumbhash: version.thumbhash,
      color: version.color,
      ...(version.alt !== undefined && { alt: version.alt }),
      uploadedAt: version.uploadedAt,
      urls: Object.fromEntries(urls),
      ...(pending && { pending }),
    };
  }
}
