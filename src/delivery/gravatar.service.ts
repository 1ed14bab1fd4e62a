import { Injectable } from '@nestjs/common';
import { Aliases } from '../avatars/aliases.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import { isHash } from '../model/keys.js';
import { sha256Hex } from '../model/sha256.js';
import type { GravatarRequest } from './gravatar-requests.js';
import type { Picture, PictureRead, Redirect } from './picture.js';
import type { Preferences } from './preferences.js';
import { PicturesService } from './pictures.service.js';

/** The answer for a hash. */
export interface Shown {
  /** Undefined: there is neither a picture nor a fallback. */
  shown: Picture | Redirect | undefined;
  /** The avatar that the hash stands for, if any. */
  id?: string | undefined;
}

/** For answers that need no read and never change. */
const CERTAIN: PictureRead = { verified: true, tokens: [] };

/** Avatars by the hash of an e-mail address, for the clients of Gravatar and Libravatar. */
@Injectable()
export class GravatarService {
  constructor(
    private readonly aliases: Aliases,
    private readonly avatars: AvatarsService,
    private readonly pictures: PicturesService,
  ) {}

  /**
   * Finds the picture for a request, or its fallback.
   * @param preferences of the client, apart from motion: see below
   * @throws CodedError `busy`, and what the store throws
   */
  async get(request: GravatarRequest, preferences: Preferences): Promise<Shown> {
    const { hash, forced } = request;
    // A forced default needs no read from the store.
    if (forced || !isHash(hash)) return { shown: await this.fallback(request, preferences, hash, CERTAIN) };
    const { id, ...pointer } = await this.aliases.resolve(hash);
    if (id === undefined) return { shown: await this.fallback(request, preferences, hash, pointer) };
    const { version, ...read } = await this.avatars.get(id);
    const both = together(pointer, read);
    // The id as the seed gives all hashes of an avatar the same drawing. It is hashed, so that initials do not reveal it.
    if (!version) return { shown: await this.fallback(request, preferences, sha256Hex(id), both), id };
    // Still pictures, like Gravatar's: rendering an animation at any size asked for would keep a core busy.
    const wish = { ...wishOf(request, preferences), animated: false, common: 'png' } as const;
    return { shown: this.pictures.current(id, version, wish, both), id };
  }

  /** What to show instead of a picture. @param seed tells drawings apart */
  private fallback(
    request: GravatarRequest,
    preferences: Preferences,
    seed: string,
    read: PictureRead,
  ): Promise<Picture | Redirect | undefined> {
    const { fallback, name, initials, scheme } = request;
    const drawing = { default: fallback, name, initials, scheme };
    return this.pictures.standIn(seed, wishOf(request, preferences), drawing, read);
  }
}

function wishOf({ size, format }: GravatarRequest, { accept, dark }: Preferences) {
  return { size, format, accept, dark, exact: true };
}

/** Combines two reads: the result holds as long as both do. */
function together(a: PictureRead, b: PictureRead): PictureRead {
  return {
    verified: a.verified && b.verified,
    tokens: a.tokens && b.tokens && [...new Set([...a.tokens, ...b.tokens])],
  };
}
