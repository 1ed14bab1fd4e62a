import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Found } from '../avatars/lookup.js';
import { type Trust, UNVERIFIED } from '../avatars/read.js';
import { CodedError } from '../errors.js';
import { LogOnce } from '../tools/log-once.js';
import { TooSlow } from '../images/image-pipeline.js';
import { isAway } from '../storage/object-store.js';
import type { Picture } from './picture.js';
import { PicturesService } from './pictures.service.js';
import { type DrawingWish, StandIns, isGone } from './stand-ins.js';

/** How the tiles of a sheet look. */
export interface TileWish extends Pick<DrawingWish, 'default' | 'scheme'> {
  /** Colors for a dark page, unless `scheme` says which. */
  dark?: boolean | undefined;
  /** Edge in px, one of the sizes. */
  size: number;
  /** Of people, by id. */
  names: ReadonlyMap<string, string>;
}

const INITIALS = { kind: 'initials' } as const;

/** A tile of a sheet. */
export interface Tile extends Found {
  id: string;
  /** A picture or a drawing; undefined: the tile is transparent. */
  picture: Picture | undefined;
}

/** Log lines about different pictures within the time in which repetitions are left out. */
const MAX_LINES = 100;
const REPETITIONS_MS = 10_000;

/** Chooses what the tiles of sheets show. */
@Injectable()
export class SheetTiles implements OnApplicationShutdown {
  private readonly logger = new Logger(SheetTiles.name);
  private readonly repetitions = new LogOnce(REPETITIONS_MS, MAX_LINES);

  constructor(
    private readonly pictures: PicturesService,
    private readonly standIns: StandIns,
  ) {}

  /** Logs now what was left out so far. */
  onApplicationShutdown(): void {
    this.repetitions.flush();
  }

  /**
   * Chooses the picture of an avatar, or draws its default.
   * @throws what the lookup failed of if the store is away and the default is nothing: that an avatar has no
   * picture is not known then
   */
  async choose(found: Found & { id: string }, wish: TileWish): Promise<Tile> {
    const { id, value: version, failure } = found;
    if (failure) this.log(id, failure);
    if (!version) return { ...found, picture: await this.draw(id, found, wish, failure) };
    const request = { size: wish.size, format: 'webp', animated: false } as const;
    return { ...found, picture: this.pictures.current(id, version, request, found) };
  }

  /**
   * Replaces a picture that could not be loaded by the default of the avatar: one of many must not take the
   * whole sheet away.
   * @throws the failure if it is not one of this picture, or the tile shows the default already; otherwise as
   * `of`
   */
  async replace(tile: Tile, failure: unknown, wish: TileWish): Promise<Tile> {
    const { id, value } = tile;
    if (!value || isOverload(failure)) throw failure;
    if (!isGone(failure)) this.log(id, failure);
    const picture = await this.draw(id, tile, wish, failure);
    return { id, value: undefined, ...UNVERIFIED, picture, ...(isAway(failure) && { failure }) };
  }

  private async draw(
    id: string,
    read: Trust,
    { size, dark, names, scheme, default: fallback }: TileWish,
    failure: unknown,
  ): Promise<Picture | undefined> {
    const name = names.get(id);
    const initials = name === undefined ? undefined : INITIALS;
    const drawing = { default: fallback ?? initials, name, scheme };
    const request = { size, exact: true, format: 'webp', dark, drawing } as const;
    const drawn = await this.standIns.draw(id, request, read);
    if (!drawn && isAway(failure)) throw failure;
    return drawn;
  }

  private log(id: string, failure: unknown): void {
    const message = 'a sheet shows the default instead of a picture that cannot be loaded';
    const isFirst = this.repetitions.isFirst(isAway(failure) ? 'away' : id, (leftOut) => {
      this.logger.error({ id, leftOut }, message);
    });
    if (isFirst) this.logger.error({ id, err: failure }, message);
  }
}

/** Whether a tile failed for lack of a turn. A picture that takes too long has had its turn. */
export function isOverload(failure: unknown): boolean {
  return failure instanceof CodedError && failure.code === 'busy' && !(failure instanceof TooSlow);
}
