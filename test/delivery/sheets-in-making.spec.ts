import { EventEmitter, once } from 'node:events';
import type { CodedError } from '../../src/errors.js';
import { type SheetCost, type SheetLimits, SheetsInMaking } from '../../src/delivery/sheets-in-making.js';

const LIMITS: SheetLimits = {
  making: { tiles: 100, unreadTiles: 60, pixels: 1000 },
  waiting: { tiles: 150, pixels: 1000 },
  maxWaitMs: 600_000,
};

/** A sheet that is being made until the test ends it. */
interface Sheet {
  end: () => void;
  /** `made`, or the code of the refusal. */
  outcome: Promise<string>;
}

describe('sheets in the making', () => {
  let begun: string[];
  let asked: Sheet[];
  let sheets: SheetsInMaking;
  beforeEach(() => {
    [begun, asked] = [[], []];
    sheets = new SheetsInMaking(LIMITS);
  });
  afterEach(async () => {
    for (const { end } of asked) end();
    await Promise.all(asked.map(({ outcome }) => outcome));
  });

  const ask = (name: string, cost: Partial<SheetCost>): Sheet => {
    const ended = new EventEmitter();
    const ends = once(ended, 'end');
    const made = sheets.run({ tiles: 1, pixels: 1, unread: false, ...cost }, async () => {
      begun.push(name);
      await ends;
    });
    const outcome = made.then(
      () => 'made',
      (error: unknown) => (error as CodedError).code,
    );
    const sheet = { end: () => void ended.emit('end'), outcome };
    asked.push(sheet);
    return sheet;
  };

  it('wait for those before them, and the smallest comes first', async () => {
    const first = ask('first', { tiles: 90 });
    const large = ask('large', { tiles: 60 });
    const [one, other] = [ask('small', { tiles: 30 }), ask('as small', { tiles: 30 })];
    expect(begun).toEqual(['first']);
    first.end();
    for (const { end } of [one, other]) end();
    expect(await Promise.all([one.outcome, other.outcome])).toEqual(['made', 'made']);
    large.end();
    expect(await large.outcome).toBe('made');
    expect(begun).toEqual(['first', 'small', 'as small', 'large']);
  });

  it('come before others of their size if their tiles are found', async () => {
    const first = ask('first', { tiles: 90 });
    const unfound = ask('unfound', { tiles: 70, pixels: 0 });
    const found = ask('found', { tiles: 70 });
    first.end();
    found.end();
    unfound.end();
    expect(await Promise.all([found.outcome, unfound.outcome])).toEqual(['made', 'made']);
    expect(begun).toEqual(['first', 'found', 'unfound']);
  });

  it.each<[string, Partial<SheetCost>, Partial<SheetCost>]>([
    ['need no new avatar', { tiles: 60, unread: true }, { tiles: 40 }],
    ['need nothing at all', { tiles: 1000, pixels: 5000 }, { tiles: 0, pixels: 0 }],
  ])('begin at once if they %s, whoever waits', (_, before, cost) => {
    ask('before', before);
    ask('waits', { tiles: 1, unread: true, pixels: 900 });
    ask('at once', { pixels: 0, ...cost });
    expect(begun).toEqual(['before', 'at once']);
  });

  it('are made whatever they need, if nothing else is made', async () => {
    const alone = ask('alone', { tiles: 1000, pixels: 5000, unread: true });
    const next = ask('next', { tiles: 150 });
    expect(begun).toEqual(['alone']);
    alone.end();
    next.end();
    expect(await next.outcome).toBe('made');
  });

  it.each<[string, Partial<SheetCost>]>([
    ['tiles', { tiles: 80 }],
    ['px', { pixels: 600 }],
  ])('are refused if too many %s wait, the largest first', async (_, cost) => {
    const first = ask('first', { tiles: 100, pixels: 1000 });
    const large = ask('large', { tiles: 90, ...cost });
    const larger = ask('larger', { tiles: 91, ...cost });
    expect(await larger.outcome).toBe('busy');
    const smaller = ask('smaller', { ...cost, tiles: 79 });
    expect(await large.outcome).toBe('busy');
    first.end();
    smaller.end();
    expect(await smaller.outcome).toBe('made');
    expect(begun).toEqual(['first', 'smaller']);
  });

  it('are refused if they have waited for too long, and are not begun later', async () => {
    sheets = new SheetsInMaking({ ...LIMITS, maxWaitMs: 1 });
    const first = ask('first', { tiles: 100 });
    expect(await ask('late', {}).outcome).toBe('busy');
    first.end();
    await first.outcome;
    ask('next', { tiles: 100 });
    expect(begun).toEqual(['first', 'next']);
  });

  it('that failed make room as well', async () => {
    await expect(
      sheets.run({ tiles: 100, pixels: 1, unread: true }, () => Promise.reject(new Error('no tile'))),
    ).rejects.toThrow('no tile');
    ask('next', { tiles: 100 });
    expect(begun).toEqual(['next']);
  });
});
