import type { Version } from '../../src/model/manifest.js';
import {
  type Rendition,
  canBeMade,
  canonicalRendition,
  chooseRendition,
  parseRenditionName,
  renditionName,
} from '../../src/model/rendition.js';
import { MASTER_FORMATS, RENDITION_FORMATS, RENDITION_SIZES } from '../../src/model/formats.js';
import { fc } from '../support/properties.js';

const { min, max } = RENDITION_SIZES;

const size = fc.integer({ min, max });

/** Of which `chooseRendition` looks at three facts. */
const version = fc
  .record({
    // The small ones are around what may be asked for, the large ones around the largest master.
    width: fc.oneof(fc.integer({ min: 1, max: 1100 }), fc.integer({ min: 1, max: 16_383 })),
    master: fc.constantFrom(...MASTER_FORMATS),
    animated: fc.boolean(),
  })
  .map((facts) => facts as Version);

/** AVATAR_SIZES, as they are loaded. */
const sizes = fc.array(size, { minLength: 1, maxLength: 12 }).map((all) => all.sort((a, b) => a - b));

const looks = {
  format: fc.option(fc.constantFrom(...RENDITION_FORMATS), { nil: undefined }),
  still: fc.boolean(),
};
const request = fc.record({ size: fc.option(size, { nil: undefined }), ...looks });
const exactRequest = fc.record({
  size: fc.integer({ min: 1, max: 2048 }),
  ...looks,
  exact: fc.constant(true),
});

describe('chooseRendition', () => {
  it('chooses only renditions that can be made, under any settings, and whose name says everything', () => {
    fc.assert(
      fc.property(version, request, sizes, (shown, wish, configured) => {
        const rendition = chooseRendition(shown, wish, configured);
        expect(canBeMade(rendition)).toBe(true);
        if (rendition.size === undefined) expect(rendition).toEqual({ format: shown.master });
        expect(parseRenditionName(renditionName(rendition))).toEqual(rendition);
      }),
    );
  });

  it('chooses only renditions that can be made for an exact size too', () => {
    fc.assert(
      fc.property(version, exactRequest, sizes, (shown, wish, configured) => {
        const rendition = chooseRendition(shown, wish, configured);
        expect(canBeMade(rendition)).toBe(true);
        expect(rendition.size ?? shown.width).toBe(wish.size);
      }),
    );
  });

  it('is never smaller than requested, and never larger than the largest size or the master', () => {
    fc.assert(
      fc.property(version, request, sizes, (shown, wish, configured) => {
        const { size: made } = chooseRendition(shown, wish, configured);
        const most = wish.size ?? Math.min(shown.width, max);
        const edge = Math.min(made ?? shown.width, shown.width);
        expect(edge).toBeGreaterThanOrEqual(Math.min(most, shown.width));
        if (made !== undefined) expect(made).toBeLessThanOrEqual(max);
      }),
    );
  });

  it('gives few sizes for a version: the configured ones and one more', () => {
    fc.assert(
      fc.property(version, request, sizes, (shown, wish, configured) => {
        const { size: made } = chooseRendition(shown, wish, configured);
        expect([undefined, ...configured, Math.max(min, Math.min(shown.width, max))]).toContain(made);
      }),
    );
  });

  it('gives the master instead of a copy in the same size and format', () => {
    fc.assert(
      fc.property(version, request, sizes, (shown, wish, configured) => {
        const { size: made = 0, format, still } = chooseRendition(shown, wish, configured);
        expect(made >= shown.width && format === shown.master && still === undefined).toBe(false);
      }),
    );
  });
});

describe('canonicalRendition', () => {
  const rendition = fc
    .record({ size: fc.option(size, { nil: undefined }), ...looks })
    .map(({ size: edge, format, still }): Rendition => {
      const chosen = format ?? 'webp';
      if (edge === undefined) return { format: chosen };
      return { size: edge, format: chosen, ...(still && chosen === 'webp' && { still: true as const }) };
    });

  it('leaves what chooseRendition chooses, and its own results, as they are', () => {
    fc.assert(
      fc.property(version, request, rendition, sizes, (shown, wish, named, configured) => {
        const chosen = chooseRendition(shown, wish, configured);
        expect(canonicalRendition(shown, chosen, configured)).toEqual(chosen);
        const canonical = canonicalRendition(shown, named, configured);
        expect(canonicalRendition(shown, canonical, configured)).toEqual(canonical);
      }),
    );
  });

  it('gives one name to all names of the same picture', () => {
    fc.assert(
      fc.property(version, rendition, rendition, sizes, (shown, one, other, configured) => {
        const pictureOf = ({ size: edge = shown.width, format, still }: Rendition) =>
          [Math.min(edge, shown.width), format, still === true && shown.animated].join();
        const nameOf = (named: Rendition) => renditionName(canonicalRendition(shown, named, configured));
        if (pictureOf(one) === pictureOf(other) && one.size !== undefined && other.size !== undefined) {
          expect(nameOf(one)).toBe(nameOf(other));
        } else if (pictureOf(one) !== pictureOf(other)) {
          expect(nameOf(one)).not.toBe(nameOf(other));
        }
      }),
    );
  });
});

describe('canonicalRendition under other settings', () => {
  it('gives the same name', () => {
    const named = fc
      .record({ size, format: fc.constantFrom(...RENDITION_FORMATS) })
      .map((one): Rendition => one);
    fc.assert(
      fc.property(version, named, sizes, sizes, (shown, one, these, others) => {
        const [first, second] = [these, others].map((all) =>
          renditionName(canonicalRendition(shown, one, all)),
        );
        expect(first).toBe(second);
      }),
    );
  });
});

describe('canBeMade', () => {
  it.each<[Rendition, boolean]>([
    [{ format: 'jpeg' }, true],
    [{ size: min, format: 'jpeg' }, true],
    [{ size: max, format: 'gif', still: true }, true],
    [{ size: min - 1, format: 'jpeg' }, false],
    [{ size: max + 1, format: 'jpeg' }, false],
    [{ size: 1, format: 'jpeg', exact: true }, true],
    [{ size: 2048, format: 'jpeg', exact: true }, true],
  ])('of %j is %s', (rendition, expected) => {
    expect(canBeMade(rendition)).toBe(expected);
  });
});
