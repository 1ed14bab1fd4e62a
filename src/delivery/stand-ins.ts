import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type Trust, UNVERIFIED } from '../avatars/read.js';
import { CodedError } from '../errors.js';
import { LogOnce } from '../tools/log-once.js';
import { isAway } from '../storage/object-store.js';
import type { PictureWish } from './choose-picture.js';
import { DefaultPictures, type DefaultWish } from './default-pictures.js';
import { type Fallback, Fallbacks } from './fallbacks.js';
import type { Picture, Redirect } from './picture.js';
import { SecondLook } from './second-look.js';

/** Describes what to show if there is no picture. */
export type DrawingWish = Pick<DefaultWish, 'name' | 'initials' | 'color' | 'scheme'> & {
  /** Undefined: AVATAR_DEFAULT. */
  default?: Fallback | undefined;
};

/** A reader's request for a picture, and for what to show if there is none. */
export interface WishWithDefault extends PictureWish {
  drawing: DrawingWish;
}

/** During an outage the log says so once in this time, in ms. */
const LOG_WINDOW_MS = 10_000;

/** Chooses what is shown in place of pictures. */
@Injectable()
export class StandIns implements OnApplicationShutdown {
  private readonly logger = new Logger(StandIns.name);
  private readonly repetitions = new LogOnce(LOG_WINDOW_MS, 1);
  private awayCount = 0;

  constructor(
    private readonly defaults: DefaultPictures,
    private readonly fallbacks: Fallbacks,
    private readonly secondLook: SecondLook,
  ) {}

  /** Logs now what was left out so far. */
  onApplicationShutdown(): void {
    this.repetitions.flush();
  }

  /** How often something stood in for a picture because the storage was away. */
  get whileAwayCount(): number {
    return this.awayCount;
  }

  /**
   * What is shown for an avatar without a picture.
   * @param seed tells drawings apart, and may be shown as initials: an id, or a hash
   * @param read found that there is no picture
   * @returns undefined if that is nothing
   */
  async choose(seed: string, wish: WishWithDefault, read: Trust): Promise<Picture | Redirect | undefined> {
    const { default: fallback = this.fallbacks.usual } = wish.drawing;
    if (fallback === 'nothing' || 'kind' in fallback) return this.draw(seed, wish, read);
    return { redirect: fallback.url, verified: read.verified };
  }

  /**
   * What is shown if a picture cannot be given: while the storage is away, or because it was erased a moment
   * ago.
   * @param error why it cannot be given
   * @throws the same error if it is another one, or nothing is to be shown: an outage never looks like
   * `avatar_not_found`
   */
  async instead(error: unknown, seed: string, wish: WishWithDefault): Promise<Picture | Redirect> {
    const away = isAway(error);
    const shown = away || isGone(error) ? await this.choose(seed, wish, UNVERIFIED) : undefined;
    if (!shown) throw error;
    if (!away) return shown;
    this.awayCount++;
    this.log(error);
    return { ...shown, away: error };
  }

  /** The drawing for an avatar without a picture. @returns undefined if nothing is to be drawn */
  async draw(
    seed: string,
    { size, exact, format, accept, dark, drawing: asked }: WishWithDefault,
    read: Trust,
  ): Promise<Picture | undefined> {
    const { default: fallback = this.fallbacks.usual, ...drawing } = asked;
    if (fallback === 'nothing' || !('kind' in fallback)) return undefined;
    const { kind } = fallback;
    const order = { ...drawing, kind, seed, size, exact, format, accept, dark };
    const picture = await this.defaults.choose(order, read);
    return { ...picture, verified: await this.secondLook.atNothing(read) };
  }

  private log(error: unknown): void {
    const isFirst = this.repetitions.isFirst('', (leftOut) => {
      this.logger.error({ leftOut }, 'more defaults were shown in place of pictures');
    });
    if (isFirst) {
      this.logger.error({ err: error }, 'a default is shown in place of a picture: the storage is away');
    }
  }
}

/** Whether a picture cannot be given because it was erased a moment ago, or replaced and deleted. */
export function isGone(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'avatar_not_found';
}
