import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs } from '../../access/marks.js';
import { type Found, Lookup } from '../../avatars/lookup.js';
import { cacheControlOf } from '../../delivery/cache-control.js';
import { DefaultPaths, type ListWish } from '../../delivery/default-paths.js';
import { Fallbacks } from '../../delivery/fallbacks.js';
import { PicturesService } from '../../delivery/pictures.service.js';
import { CodedError } from '../../errors.js';
import { sendJson } from '../../http/json-answer.js';
import { assertId, isHash } from '../../model/keys.js';
import type { Version } from '../../model/manifest.js';
import { assertName } from '../avatars/default.query.js';
import { JsonBody } from '../json-body.js';
import { PublicUrls } from '../public-urls.js';
import {
  LookupBody,
  type LookupAnswer,
  type LookupEntry,
  type LookupFault,
  fallbackIn,
  namesIn,
} from './lookup.dto.js';
import { DescribeLookup } from './lookup.openapi.js';

/** Looks many avatars up at once. */
@ApiTags('avatars')
@Controller('v1/avatars/lookup')
export class LookupController {
  constructor(
    private readonly lookups: Lookup,
    private readonly pictures: PicturesService,
    private readonly defaults: DefaultPaths,
    private readonly fallbacks: Fallbacks,
    private readonly urls: PublicUrls,
  ) {}

  @Post()
  @Needs('read')
  @HttpCode(200)
  @DescribeLookup()
  async lookup(
    @JsonBody() body: LookupBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const ids = new Set(body.ids);
    const hashes = new Set(body.hashes?.map((hash) => hash.toLowerCase()));
    const { sizes, format } = body;
    const names = namesIn(body, ids);
    const wish = { sizes, format, fallback: fallbackIn(body, this.fallbacks), names };
    const faults = faultsOf(ids, (id) => {
      assertId(id);
      assertName(names.get(id) ?? '');
      caller.assertCovers(id);
    });
    const hashFaults = faultsOf(hashes, assertHash);
    const found = await this.lookups.find(without(ids, faults), without(hashes, hashFaults));
    const ofOthers = faultsOf(found.hashes.keys(), (hash) => {
      const id = found.hashes.get(hash)?.id;
      if (id !== undefined) caller.assertCovers(id);
    });
    const answer: LookupAnswer = {
      avatars: this.entries(request, ids, faults, found.avatars, wish),
      hashes: this.entries(request, hashes, new Map([...hashFaults, ...ofOthers]), found.hashes, wish),
    };
    const verified = [...found.avatars.values(), ...found.hashes.values()].every((one) => one.verified);
    sendJson(request, reply, answer, cacheControlOf('private, no-cache', verified));
  }

  /** @param names the ids or hashes that the client asked for: each is at fault, or was looked for */
  private entries(
    request: FastifyRequest,
    names: ReadonlySet<string>,
    faults: ReadonlyMap<string, CodedError>,
    found: ReadonlyMap<string, Found>,
    wish: Wish,
  ): Record<string, LookupEntry | LookupFault> {
    const entryOf = (name: string) => {
      const one = found.get(name);
      const failure = faults.get(name) ?? one?.failure;
      if (failure) return { error: { code: failure.code, detail: failure.message } };
      if (!one) throw new Error('an avatar was not looked for');
      return this.entry(request, name, one, wish);
    };
    return Object.fromEntries([...names].map((name) => [name, entryOf(name)]));
  }

  private entry(request: FastifyRequest, name: string, { id, value }: Found, wish: Wish): LookupEntry {
    const { paths, color } = this.picturesOf(name, id, value, wish);
    const urls = Object.entries(paths).map(([size, path]) => [size, this.urls.at(request, path)] as const);
    return {
      id: id ?? null,
      version: value?.version ?? null,
      default: value === undefined,
      urls: Object.fromEntries(urls),
      thumbhash: value?.thumbhash ?? null,
      color: color ?? null,
      alt: value?.alt ?? null,
      animated: value?.animated ?? false,
    };
  }

  private picturesOf(name: string, id: string | undefined, version: Version | undefined, wish: Wish) {
    if (id === undefined) return this.defaults.ofHash(name, wish);
    if (version === undefined) return this.defaults.ofAvatar(id, wish.names.get(id), wish);
    const keys = Object.entries(this.pictures.keysOf(id, version, wish));
    return {
      paths: Object.fromEntries(keys.map(([size, key]) => [size, `/v1/${key}`])),
      color: version.color,
    };
  }
}

/** What a lookup asks for, besides whose pictures. */
interface Wish extends ListWish {
  /** Of people, by id. */
  names: ReadonlyMap<string, string>;
}

/** What is wrong with texts, of those that a check refuses. */
function faultsOf(texts: Iterable<string>, check: (text: string) => void): Map<string, CodedError> {
  const faults = new Map<string, CodedError>();
  for (const text of texts) {
    try {
      check(text);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      faults.set(text, error);
    }
  }
  return faults;
}

function without(texts: ReadonlySet<string>, faults: ReadonlyMap<string, unknown>): Set<string> {
  return new Set([...texts].filter((text) => !faults.has(text)));
}

/** @throws CodedError `invalid_hash` */
function assertHash(hash: string): void {
  if (isHash(hash)) return;
  throw new CodedError('invalid_hash', 'It is neither an MD5 nor a SHA-256 in hex. Correct or remove it.');
}
