import { CodedError } from '../errors.js';
import { MOST_SHEET_PIXELS } from '../images/image-pipeline.js';

/** What making a sheet takes. */
export interface SheetCost {
  tiles: number;
  /** 0 while the tiles are being found. */
  pixels: number;
  /**
   * Whether some of its avatars have not been read by this process. Anybody can make up ids, so such sheets
   * get only a part.
   */
  unread: boolean;
}

export interface SheetLimits {
  /**
   * How much there may be of all sheets in the making. It bounds how long a new one shares the turns with
   * those before it.
   */
  making: Amount;
  /** How much there may be of all sheets that wait: they keep what is known of their tiles, and drawings. */
  waiting: Record<'tiles' | 'pixels', number>;
  /** How long a sheet may wait, in ms. */
  maxWaitMs: number;
}

const MEASURES = ['tiles', 'unreadTiles', 'pixels'] as const;
type Measure = (typeof MEASURES)[number];
type Amount = Record<Measure, number>;

const LIMITS: SheetLimits = {
  making: { tiles: 3000, unreadTiles: 2000, pixels: MOST_SHEET_PIXELS },
  // As many as 500 clients ask for at the same time: the proxy in deploy/haproxy.cfg lets in no more.
  waiting: { tiles: 100_000, pixels: 5 * MOST_SHEET_PIXELS },
  maxWaitMs: 5000,
};

interface Waiting {
  cost: Amount;
  start: () => void;
  refuse: () => void;
}

/**
 * Accepts sheets, lets them wait, or refuses them, before anything is done for them. Whoever is refused at
 * once asks again at once, which costs everybody more than a sheet that waits. Those with the fewest tiles
 * come first: a flood of large sheets does not hold up small ones. Among equals come those whose tiles are
 * found already, or finding them would be in vain.
 */
export class SheetsInMaking {
  private readonly making = { tiles: 0, unreadTiles: 0, pixels: 0 };
  /** As `isBefore` orders them; among equals, the longest waiting first. */
  private readonly waiting: Waiting[] = [];

  constructor(private readonly limits = LIMITS) {}

  /**
   * @throws CodedError `busy` the sheet has waited for too long, or too many wait that come before it. It was
   * not begun then. A single sheet may cost any amount
   */
  async run<T>({ tiles, pixels, unread }: SheetCost, task: () => Promise<T>): Promise<T> {
    const cost = { tiles, unreadTiles: unread ? tiles : 0, pixels };
    if (this.fits(cost)) this.count(cost, 1);
    else await this.wait(cost);
    try {
      return await task();
    } finally {
      this.count(cost, -1);
      for (const next of [...this.waiting]) if (this.fits(next.cost)) next.start();
    }
  }

  private fits(cost: Amount): boolean {
    const { making } = this;
    const most = this.limits.making;
    return (
      making.tiles === 0 || MEASURES.every((one) => cost[one] === 0 || making[one] + cost[one] <= most[one])
    );
  }

  private count(cost: Amount, sign: 1 | -1): void {
    for (const one of MEASURES) this.making[one] += sign * cost[one];
  }

  private tooManyWait(): boolean {
    const most = this.limits.waiting;
    const total = (one: 'tiles' | 'pixels') => this.waiting.reduce((sum, { cost }) => sum + cost[one], 0);
    return total('tiles') > most.tiles || total('pixels') > most.pixels;
  }

  private wait(cost: Amount): Promise<void> {
    const { waiting, limits } = this;
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        waiting.splice(waiting.indexOf(one), 1);
      };
      const one: Waiting = {
        cost,
        start: () => {
          leave();
          this.count(cost, 1);
          resolve();
        },
        refuse: () => {
          leave();
          reject(new CodedError('busy', 'Too many sheets are being made. Try again shortly.'));
        },
      };
      const timer = setTimeout(one.refuse, limits.maxWaitMs);
      const later = waiting.findIndex((other) => isBefore(cost, other.cost));
      waiting.splice(later === -1 ? waiting.length : later, 0, one);
      while (this.tooManyWait()) waiting.at(-1)?.refuse();
    });
  }
}

function isBefore(one: Amount, other: Amount): boolean {
  return one.tiles === other.tiles ? one.pixels > 0 && other.pixels === 0 : one.tiles < other.tiles;
}
