import { SCHEMES, colorsOf, colorsOn, contrast, greyOf } from '../../src/placeholders/colors.js';
import { fc } from '../support/properties.js';

const READABLE = 4.5;

describe('colors', () => {
  // https://www.w3.org/WAI/WCAG22/Techniques/general/G18
  it('are compared by the contrast ratio of WCAG', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
    expect(contrast('#ff0000', '#ff0000')).toBe(1);
  });

  it('are readable for any seed', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...SCHEMES), (seed, scheme) => {
        const { background, foreground } = colorsOf(seed, scheme);
        expect(contrast(background, foreground)).toBeGreaterThanOrEqual(READABLE);
        expect(colorsOf(seed, scheme)).toEqual({ background, foreground });
      }),
    );
  });

  it('are readable on any background', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), (color) => {
        const { background, foreground } = colorsOn(`#${color.toString(16).padStart(6, '0')}`);
        expect(contrast(background, foreground)).toBeGreaterThanOrEqual(READABLE);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(SCHEMES)('of somebody unknown are readable: %s', (scheme) => {
    const { background, foreground } = greyOf(scheme);
    expect(contrast(background, foreground)).toBeGreaterThanOrEqual(READABLE);
  });

  it('differ from seed to seed, and light ones are lighter than dark ones', () => {
    const backgrounds = Array.from({ length: 300 }, (_, seed) => colorsOf(`${seed}`, 'light').background);
    expect(new Set(backgrounds).size).toBe(15);
    for (let seed = 0; seed < 50; seed++) {
      const [light, dark] = SCHEMES.map((scheme) =>
        contrast(colorsOf(`${seed}`, scheme).background, '#000000'),
      );
      expect(light).toBeGreaterThan(dark ?? Infinity);
    }
  });
});
