import { isWithin, layOut, mostTiles, positionOf } from '../../src/model/sheet.js';
import { fc } from '../support/properties.js';

const counts = fc.integer({ min: 1, max: 1200 });
const sizes = fc.integer({ min: 16, max: 1024 });

describe('the layout of a sheet', () => {
  it('gives each tile a place of its own within the sheet, row by row', () => {
    fc.assert(
      fc.property(counts, sizes, (count, size) => {
        const layout = layOut(count, size);
        const places = Array.from({ length: count }, (_, i) => positionOf(layout, i));
        expect(new Set(places.map(({ x, y }) => `${x},${y}`)).size).toBe(count);
        const order = places.map(({ x, y }) => (y / size) * layout.columns + x / size);
        expect(order).toEqual(places.map((_, i) => i));
        const last = places.at(-1);
        expect(Math.max(...places.map(({ x }) => x)) + size).toBe(layout.width);
        expect((last?.y ?? 0) + size).toBe(layout.height);
      }),
      { numRuns: 50 },
    );
  });

  it('is as square as it can be, and has no row without a tile', () => {
    fc.assert(
      fc.property(counts, sizes, (count, size) => {
        const { columns, rows, width, height } = layOut(count, size);
        expect([width, height]).toEqual([columns * size, rows * size]);
        expect(columns - rows === 0 || columns - rows === 1).toBe(true);
        expect((rows - 1) * columns < count && count <= rows * columns).toBe(true);
      }),
    );
  });

  it('does not move a tile if more follow in its last row', () => {
    const [before, after] = [layOut(7, 64), layOut(9, 64)];
    expect(before.columns).toBe(after.columns);
    for (let i = 0; i < 7; i++) expect(positionOf(before, i)).toEqual(positionOf(after, i));
  });

  it('tells how many tiles fit: so many do, and one more does not', () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 300_000_000 }), (size, maxPixels) => {
        const most = mostTiles(size, maxPixels);
        if (most > 0) expect(isWithin(layOut(most, size), maxPixels)).toBe(true);
        expect(isWithin(layOut(most + 1, size), maxPixels)).toBe(false);
      }),
    );
  });

  it('fits 1000 tiles of 128 px into the default, and keeps the edges of WebP', () => {
    expect(isWithin(layOut(1000, 128), 4096 * 4096)).toBe(true);
    expect(mostTiles(128, 4096 * 4096)).toBe(1024);
    expect(isWithin(layOut(225, 1024), 300_000_000)).toBe(true);
    expect(isWithin(layOut(226, 1024), 300_000_000)).toBe(false);
  });
});
