import { createHash } from 'node:crypto';
import type { Aliases } from '../avatars/aliases.js';
import type { Vouched } from '../avatars/avatar.repository.js';
import type { AvatarsService, DrawnPicture, Picture } from '../avatars/avatars.service.js';
import { isHash } from '../model/keys.js';
import type { DefaultPictures } from './default-pictures.js';
import type { GravatarRequest } from './gravatar-request.js';

/** A picture, or where else there is one. */
export type Gravatar = Picture | DrawnPicture | { redirect: string };

/** What is shown; undefined: there is no picture, and nothing is to be shown in its place. */
export interface Shown extends Vouched {
  shown: Gravatar | undefined;
}

/** Avatars by the hash of an e-mail address, for the clients of Gravatar and Libravatar. */
export class GravatarService {
  constructor(
    private readonly aliases: Aliases,
    private readonly avatars: AvatarsService,
    private readonly defaults: DefaultPictures,
  ) {}

  /**
   * @param accept the header
   * @throws CodedError `busy`, and what the store throws
   */
  async get(request: GravatarRequest, accept: string | undefined): Promise<Shown> {
    const { hash, forced } = request;
    // Who wants the default in any case gets it without the store.
    if (forced || !isHash(hash)) {
      return { shown: await this.getDefault(request, accept, () => true), verified: true };
    }
    const { id, verified } = await this.aliases.resolve(hash);
    const isValid = this.aliases.validity(hash, id);
    if (id === undefined) return { shown: await this.getDefault(request, accept, isValid), verified };
    const ofId = await this.getOf(id, request, accept);
    return { shown: whileValid(ofId.shown, isValid), verified: verified && ofId.verified };
  }

  /** As Gravatar's they stand still: an animation at any size would keep a core busy for each. */
  private async getOf(id: string, request: GravatarRequest, accept: string | undefined): Promise<Shown> {
    const { size, format, fallback, name, initials } = request;
    const wish = { size, format, accept, exact: true };
    const { picture, verified } = await this.avatars.get(id, { ...wish, still: true, common: 'png' });
    if (picture || fallback === 'nothing') return { shown: picture, verified };
    if ('url' in fallback) return { shown: { redirect: fallback.url }, verified };
    // The same for all hashes of the id, and not by the id itself: its initials are not for those who know a hash.
    const seed = createHash('sha256').update(id).digest('hex');
    const drawing = { default: fallback.kind, name, initials };
    return { shown: await this.avatars.getDefault(id, drawing, wish, seed), verified };
  }

  private async getDefault(
    { hash, size, format, fallback, name, initials }: GravatarRequest,
    accept: string | undefined,
    isValid: (() => boolean) | undefined,
  ): Promise<Gravatar | undefined> {
    if (fallback === 'nothing') return undefined;
    if ('url' in fallback) return { redirect: fallback.url };
    const { kind } = fallback;
    const wish = { size, format, accept, exact: true };
    const drawn = await this.defaults.get({ ...wish, kind, seed: hash, name, initials });
    return whileValid({ ...drawn, again: { isRight: () => true, bytes: drawn.take } }, isValid);
  }
}

/** Nothing is given again without the store unless what the hash stands for is known as well. */
function whileValid(shown: Gravatar | undefined, isValid: (() => boolean) | undefined): Gravatar | undefined {
  if (!shown || 'redirect' in shown) return shown;
  const { again } = shown;
  const isRight = () => isValid?.() === true && again?.isRight() === true;
  return { ...shown, again: isValid && again && { isRight, bytes: again.bytes } };
}
