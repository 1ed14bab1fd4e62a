import { Injectable } from '@nestjs/common';
import { Aliases } from '../avatars/aliases.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import { CERTAIN, both } from '../avatars/read.js';
import { isHash } from '../model/keys.js';
import { sha256Hex } from '../model/sha256.js';
import type { GravatarRequest } from './gravatar-requests.js';
import type { Picture, Redirect } from './picture.js';
import type { Preferences } from './preferences.js';
import { PicturesService } from './pictures.service.js';
import { StandIns, type WishWithDefault } from './stand-ins.js';

/** The answer for a hash. */
export interface Shown {
  /** Undefined: there is neither a picture nor a fallback. */
  shown: Picture | Redirect | undefined;
  /** The avatar that the hash stands for, if any. */
  id?: string | undefined;
}

/** Avatars by the hash of an e-mail address, for the clients of Gravatar and Libravatar. */
@Injectable()
export class GravatarService {
  constructor(
    private readonly aliases: Aliases,
    private readonly avatars: AvatarsService,
    private readonly pictures: PicturesService,
    private readonly standIns: StandIns,
  ) {}

  /**
   * Finds the picture for a request, or its fallback.
   * @param preferences of the client, apart from motion: see below
   * @throws CodedError `busy`, and what the store throws, if nothing is to stand in
   */
  async get(request: GravatarRequest, preferences: Preferences): Promise<Shown> {
    const { hash, forced } = request;
    const wish = wishOf(request, preferences);
    // A forced default needs no read from the store.
    if (forced || !isHash(hash)) return { shown: await this.standIns.choose(hash, wish, CERTAIN) };
    try {
      return await this.find(hash, wish);
    } catch (error) {
      return { shown: await this.standIns.instead(error, hash, wish) };
    }
  }

  private async find(hash: string, wish: WishWithDefault): Promise<Shown> {
    const { value: id, ...pointer } = await this.aliases.resolve(hash);
    if (id === undefined) return { shown: await this.standIns.choose(hash, wish, pointer) };
    const { value: version, ...read } = await this.avatars.get(id);
    const trust = both(pointer, read);
    // The id as the seed gives all hashes of an avatar the same drawing. It is hashed, so that initials do
    // not reveal it.
    const seed = sha256Hex(id);
    if (!version) return { shown: await this.standIns.choose(seed, wish, trust), id };
    // Still pictures, like Gravatar's: rendering an animation at any size asked for would keep a core busy.
    const still = { ...wish, animated: false, common: 'png' } as const;
    const instead = (error: unknown) => this.standIns.instead(error, seed, wish);
    return { shown: { ...this.pictures.current(id, version, still, trust), instead }, id };
  }
}

function wishOf(
  { size, format, fallback, name, initials, scheme }: GravatarRequest,
  { accept, dark }: Preferences,
): WishWithDefault {
  const drawing = { default: fallback, name, initials, scheme };
  return { size, format, accept, dark, exact: true, drawing };
}
