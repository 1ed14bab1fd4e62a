import { CodedError } from '../errors.js';
import { MOST_SHEET_PIXELS } from '../images/image-pipeline.js';

/** What making a sheet takes. */
export interface SheetCost {
  tiles: number;
  pixels: number;
  /** Whether some of its avatars have not been read by this process. Anybody can make up ids, so such sheets get only a part. */
  unread: boolean;
}

/** How much there may be of all sheets in the making. It bounds how long a new one waits for those before it. */
const MOST = { tiles: 3000, unreadTiles: 2000, pixels: MOST_SHEET_PIXELS };
const MEASURES = ['tiles', 'unreadTiles', 'pixels'] as const;

/** Accepts sheets, or refuses them before anything is done for them. */
export class SheetsInMaking {
  private readonly total = { tiles: 0, unreadTiles: 0, pixels: 0 };

  /** @throws CodedError `busy` too much is being made. A single sheet may cost any amount */
  async run<T>({ tiles, pixels, unread }: SheetCost, task: () => Promise<T>): Promise<T> {
    const { total } = this;
    const cost = { tiles, unreadTiles: unread ? tiles : 0, pixels };
    if (total.tiles > 0 && MEASURES.some((one) => total[one] + cost[one] > MOST[one])) {
      throw new CodedError('busy', 'Too many sheets are being made. Try again shortly.');
    }
    for (const one of MEASURES) total[one] += cost[one];
    try {
      return await task();
    } finally {
      for (const one of MEASURES) total[one] -= cost[one];
    }
  }
}
