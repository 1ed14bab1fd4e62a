import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { type Found, Lookup } from '../avatars/lookup.js';
import { keepableMs } from '../avatars/read-token.js';
import { SingleFlight } from '../tools/single-flight.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { etagOf } from '../http/conditional.js';
import { ImagePipeline, UnreadableTiles } from '../images/image-pipeline.js';
import { sha256Hex } from '../model/sha256.js';
import { isAway } from '../storage/object-store.js';
import { type SheetLayout, isWithin, layOut, mostTiles } from '../model/sheet.js';
import { FALLBACK_NAMES, Fallbacks } from './fallbacks.js';
import type { Picture } from './picture.js';
import { SheetMemory } from './sheet-memory.js';
import { SheetTurns } from './sheet-turns.js';
import { SheetTiles, type Tile, type TileWish, isOverload } from './sheet-tiles.js';

/** A request for a sheet. */
export interface SheetWish extends Omit<TileWish, 'size' | 'default' | 'names'> {
  /** Valid already, at least one. A repeated one counts once. */
  ids: readonly string[];
  /** Edge of a tile in px. Rounded up to the next of the sizes; above the last of them it is that one. */
  size?: number | undefined;
  /** Undefined: initials for those who have a name, and AVATAR_DEFAULT for the others. */
  default?: (typeof FALLBACK_NAMES)[number] | undefined;
  /** Of people, by id, for initials. */
  names?: ReadonlyMap<string, string> | undefined;
}

const NAMELESS: ReadonlyMap<string, string> = new Map();

/** The avatars of a sheet, in the order of its tiles. */
export interface Sheet {
  layout: SheetLayout;
  avatars: readonly (Found & { id: string })[];
}

/** A sheet whose tiles are chosen. */
interface Chosen {
  wish: SheetWish;
  layout: SheetLayout;
  tiles: readonly Tile[];
  /** In which its tasks take turns. */
  group: string;
  /** When the first of its avatars was looked for, by the monotonic clock, in ms. */
  chosenAt: number;
  /** Counts how often they were chosen, from 1. */
  round: number;
}

/** Why tiles could not be loaded, by their index. */
type Failures = ReadonlyMap<number, unknown>;

/** Edge of a tile in px if the request names none. */
const USUAL_SIZE = 64;

/** How often the tiles of a sheet are chosen, if avatars on it are erased while it is made. */
const MOST_ROUNDS = 3;
const ERASING = 'Avatars of the sheet are being erased faster than it can be made. Try again shortly.';

/** Makes sheets: many avatars in one picture. */
@Injectable()
export class SheetsService {
  /** Sheets being made, by ETag. */
  private readonly making = new SingleFlight<Buffer | Failures>();

  constructor(
    private readonly lookups: Lookup,
    private readonly fallbacks: Fallbacks,
    private readonly tiles: SheetTiles,
    private readonly memory: SheetMemory,
    private readonly pipeline: ImagePipeline,
    private readonly repository: AvatarRepository,
    private readonly turns: SheetTurns,
    private readonly settings: Settings,
  ) {}

  /**
   * Finds the avatars of a sheet. Where each of them is depends on the ids alone, so a sheet and its map can
   * be asked for at different times.
   * @throws CodedError `sheet_too_large`, `busy`
   */
  async find({ ids, size }: SheetWish): Promise<Sheet> {
    const unique = [...new Set(ids)];
    const layout = this.layOut(unique.length, size);
    const isAtHand = (id: string) => this.repository.isFresh(id);
    const group = this.turns.groupOf(unique);
    const avatars = await this.turns.eachOf(group, unique, isAtHand, (id) => this.lookups.findOne(id));
    return { layout, avatars };
  }

  /**
   * The sheet as a picture. Its ETag follows the versions and the drawings. No picture is loaded for it.
   * @throws what `find` throws; what the store throws if it is away, an avatar is not in memory, and the
   * default is nothing
   */
  show(wish: SheetWish): Promise<Picture> {
    return this.choose(wish, 1);
  }

  private async choose(wish: SheetWish, round: number): Promise<Picture> {
    const unique = [...new Set(wish.ids)];
    const layout = this.layOut(unique.length, wish.size);
    const look = this.lookOf(wish, layout);
    const group = this.turns.groupOf(unique);
    const chosenAt = performance.now();
    const isAtHand = (id: string) => this.repository.isFresh(id) && !!this.repository.lastKnown(id)?.current;
    const choose = async (id: string) => this.tiles.choose(await this.lookups.findOne(id), look);
    const tiles = await this.turns.eachOf(group, unique, isAtHand, choose);
    return this.pictureOf({ wish, layout, tiles, group, chosenAt, round });
  }

  private layOut(count: number, wanted = USUAL_SIZE): SheetLayout {
    const { avatarSizes: sizes, sheetMaxPixels } = this.settings;
    const size = sizes.find((one) => one >= wanted) ?? sizes.at(-1) ?? wanted;
    const layout = layOut(count, size);
    if (isWithin(layout, sheetMaxPixels)) return layout;
    const smaller = sizes.findLast((one) => isWithin(layOut(count, one), sheetMaxPixels));
    const orSmaller = smaller === undefined ? '' : `, or tiles of at most ${smaller} px`;
    throw new CodedError(
      'sheet_too_large',
      `The sheet would have ${layout.width} x ${layout.height} px, and may have ${sheetMaxPixels} px. Ask for at most ${mostTiles(size, sheetMaxPixels)} ids${orSmaller}.`,
    );
  }

  private pictureOf(sheet: Chosen): Picture {
    const { layout, tiles } = sheet;
    const etags = tiles.map(({ picture }) => picture?.etag ?? null);
    const etag = etagOf(sha256Hex(JSON.stringify([this.pipeline.composer, layout.size, etags])));
    return {
      etag,
      format: 'webp',
      vary: [...new Set(tiles.flatMap(({ picture }) => picture?.vary ?? []))],
      verified: tiles.every(({ verified }) => verified),
      away: tiles.map(({ failure }) => failure).find(isAway),
      repeat: undefined,
      load: () => this.load(etag, sheet),
    };
  }

  private async load(etag: string, sheet: Chosen): Promise<Buffer | Picture> {
    const { width, height } = sheet.layout;
    const { group, tiles } = sheet;
    const make = () => this.turns.make(group, tiles.length, width * height, () => this.make(etag, sheet));
    const made = this.memory.inMemory(etag) ?? (await this.making.run(etag, make));
    // An erasure that was answered meanwhile must be seen.
    if (this.showsErased(sheet)) {
      if (sheet.round === MOST_ROUNDS) throw new CodedError('busy', ERASING);
      return this.choose(sheet.wish, sheet.round + 1);
    }
    if (!Buffer.isBuffer(made)) return this.pictureOf({ ...sheet, tiles: await this.replace(sheet, made) });
    if (this.isKeepable(sheet)) return made;
    return { ...this.pictureOf(sheet), verified: false, load: () => Promise.resolve(made) };
  }

  /**
   * @returns the bytes, or the tiles that could not be loaded
   * @throws CodedError `busy`: without one of the tiles nobody needs the others
   */
  private async make(etag: string, sheet: Chosen): Promise<Buffer | Failures> {
    const { layout, tiles, group } = sheet;
    const failures = new Map<number, unknown>();
    const load = async ([i, { picture }]: [number, Tile]) => {
      try {
        return await bytesOf(picture);
      } catch (error) {
        if (isOverload(error)) throw error;
        failures.set(i, error);
        return undefined;
      }
    };
    const pictures = await this.turns.each(group, [...tiles.entries()], load);
    if (failures.size > 0) return failures;
    try {
      const bytes = await this.pipeline.compose(pictures, layout);
      if (!this.showsErased(sheet)) this.memory.keep(etag, bytes, shownBy(tiles));
      return bytes;
    } catch (error) {
      if (!(error instanceof UnreadableTiles)) throw error;
      return error.failures;
    }
  }

  /** By each caller for itself: with another default, the same pictures have the same ETag. */
  private async replace({ wish, layout, tiles, group }: Chosen, failures: Failures): Promise<Tile[]> {
    const look = this.lookOf(wish, layout);
    const replaced = [...tiles];
    await this.turns.each(group, [...failures], async ([i, failure]) => {
      const tile = tiles[i];
      if (tile) replaced[i] = await this.tiles.replace(tile, failure, look);
    });
    return replaced;
  }

  private lookOf(wish: SheetWish, { size }: SheetLayout): TileWish {
    const { default: name, scheme, dark, names = NAMELESS } = wish;
    return { default: name && this.fallbacks.named(name), scheme, dark, names, size };
  }

  /** Whether a browser may keep it: otherwise another replica may have erased an avatar on it long ago. */
  private isKeepable({ chosenAt }: Chosen): boolean {
    return performance.now() - chosenAt <= keepableMs(this.settings.cacheMaxAgeMs);
  }

  /** Whether an avatar was erased since the tiles were chosen. Looks at memory only. */
  private showsErased({ tiles }: Chosen): boolean {
    return tiles.some(({ id, value }) => value && this.repository.knowsErased(id, value.version));
  }
}

/** @returns undefined for a transparent tile */
async function bytesOf(picture: Picture | undefined): Promise<Buffer | undefined> {
  const loaded = await picture?.load();
  return loaded === undefined || Buffer.isBuffer(loaded) ? loaded : bytesOf(loaded);
}

function shownBy(tiles: readonly Tile[]): Map<string, string> {
  return new Map(tiles.flatMap(({ id, value }) => (value ? [[id, value.version] as const] : [])));
}
