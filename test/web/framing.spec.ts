import {
  type Framing,
  type Size,
  cropOf,
  fitting,
  moved,
  turned,
  turnedSize,
  zoomOf,
  zoomed,
  zoomedTo,
} from '../../web/src/framing.js';
import { fc } from '../support/properties.js';

const sizes = fc.record({
  width: fc.integer({ min: 1, max: 20_000 }),
  height: fc.integer({ min: 1, max: 20_000 }),
});
const part = fc.double({ min: -2, max: 2, noNaN: true });

/** One step of a user. */
const steps = fc.oneof(
  fc.tuple(part, part).map(
    ([x, y]) =>
      (framing: Framing, size: Size) =>
        moved(framing, size, x, y),
  ),
  fc.tuple(fc.double({ min: 0.01, max: 100, noNaN: true }), part, part).map(
    ([factor, x, y]) =>
      (framing: Framing, size: Size) =>
        zoomed(framing, size, factor, { x, y }),
  ),
  fc
    .double({ min: 0, max: 1, noNaN: true })
    .map((zoom) => (framing: Framing, size: Size) => zoomedTo(framing, size, zoom)),
  fc.constant(turned),
);

const after = (size: Size, list: readonly ((framing: Framing, size: Size) => Framing)[]) =>
  list.reduce((framing, step) => step(framing, size), fitting(size));

describe('a framing', () => {
  it('is a square within the picture, whatever the user does, and so is its crop in whole px', () => {
    fc.assert(
      fc.property(sizes, fc.array(steps, { maxLength: 20 }), (size, list) => {
        const framing = after(size, list);
        const { width, height } = turnedSize(size, framing.rotate);
        const [x = NaN, y = NaN, w = NaN, h = NaN] = cropOf(framing, size).split(',').map(Number);
        expect([x, y, w, h].every(Number.isInteger)).toBe(true);
        expect(w).toBe(h);
        expect(w).toBeGreaterThanOrEqual(Math.min(64, width, height));
        expect(Math.min(x, y, width - x - w, height - y - h)).toBeGreaterThanOrEqual(0);
        // Rounding moves no edge by more than 1 px.
        expect(
          Math.max(Math.abs(x - framing.x), Math.abs(x + w - framing.x - framing.side)),
        ).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('is the same after four turns, and its zoom is what the slider says', () => {
    fc.assert(
      fc.property(sizes, fc.array(steps, { maxLength: 10 }), (size, list) => {
        const framing = after(size, list);
        const round = [1, 2, 3, 4].reduce((one) => turned(one, size), framing);
        expect(round.rotate).toBe(framing.rotate);
        for (const field of ['x', 'y', 'side'] as const) expect(round[field]).toBeCloseTo(framing[field], 6);
        expect(zoomOf(zoomedTo(framing, size, zoomOf(framing, size)), size)).toBeCloseTo(
          zoomOf(framing, size),
          6,
        );
      }),
    );
  });

  it('keeps the point below the fingers where it is', () => {
    const size = { width: 4000, height: 3000 };
    const about = { x: 0.25, y: 0.75 };
    const before = zoomed(fitting(size), size, 2);
    const zoomedIn = zoomed(before, size, 1.7, about);
    for (const axis of ['x', 'y'] as const) {
      const point = (framing: Framing) => framing[axis] + about[axis] * framing.side;
      expect(point(zoomedIn)).toBeCloseTo(point(before), 6);
    }
  });
});
