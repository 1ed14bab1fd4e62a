import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { Settings } from '../config/settings.js';
import { FairTurns } from '../tools/fair-turns.js';
import { SheetsInMaking } from './sheets-in-making.js';

/** The group of the sheets with avatars that this process has not read. */
const UNREAD = 'unread';

/**
 * The turns in which the tiles of sheets are found, read and drawn. Sheets of avatars in memory share them
 * fairly; those with others share one part, so that sheets of made-up ids hold up one another, and a few
 * others.
 */
@Injectable()
export class SheetTurns {
  private readonly turns: FairTurns;
  private readonly inMaking = new SheetsInMaking();

  constructor(
    private readonly repository: AvatarRepository,
    settings: Settings,
  ) {
    // Sheets wait, or are refused, before their tiles take turns.
    this.turns = new FairTurns({ turns: settings.lookupConcurrency });
  }

  /** The group in which the tasks of a sheet take turns. */
  groupOf(ids: readonly string[]): string {
    return ids.every((id) => this.repository.lastKnown(id)) ? ids.join() : UNREAD;
  }

  /**
   * Does something for each avatar of a new sheet.
   * @param isAtHand whether that takes no call to the store and no drawing. It is done at once then, however
   * many sheets are being made
   * @throws CodedError `busy`
   */
  async eachOf<Out>(
    group: string,
    ids: readonly string[],
    isAtHand: (id: string) => boolean,
    task: (id: string) => Promise<Out>,
  ): Promise<Out[]> {
    const others = ids.filter((id) => !isAtHand(id));
    const inTurns = this.make(group, others.length, 0, () => this.each(group, others, task));
    const indexes = new Map(others.map((id, index) => [id, index]));
    const resultOf = async (id: string) => {
      const index = indexes.get(id);
      return index === undefined ? task(id) : ((await inTurns)[index] as Out);
    };
    return Promise.all(ids.map(resultOf));
  }

  /** Does something for each of the tiles, as soon as its turn comes. */
  each<In, Out>(group: string, tiles: readonly In[], task: (tile: In) => Promise<Out>): Promise<Out[]> {
    return this.turns.all(
      tiles.map((tile) => () => task(tile)),
      { group },
    );
  }

  /**
   * Does something for a whole sheet, once there is room for it.
   * @param pixels 0 while the tiles are being found
   * @throws CodedError `busy`
   */
  make<Out>(group: string, tiles: number, pixels: number, task: () => Promise<Out>): Promise<Out> {
    return this.inMaking.run({ tiles, pixels, unread: group === UNREAD }, task);
  }
}
