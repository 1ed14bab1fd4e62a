import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { type Placeholder, drawingOf } from '../../src/placeholders/drawing.js';
import { Fonts } from '../../src/placeholders/fonts.js';

const fonts = new Fonts();
const keyOf = (placeholder: Placeholder) => drawingOf(placeholder, fonts).key;
const keysOf = (placeholders: readonly Placeholder[]) => new Set(placeholders.map(keyOf)).size;

const ADA: Placeholder = { kind: 'initials', seed: 'ada', color: '#123456', name: 'Ada Lovelace' };

/** What makes a difference for each kind. */
const DECIDES: Record<string, readonly (keyof Placeholder)[]> = {
  initials: ['seed', 'scheme', 'name', 'initials', 'color'],
  color: ['seed', 'scheme', 'color'],
  mp: ['scheme', 'color'],
  blank: [],
  identicon: ['seed', 'scheme', 'color'],
  monsterid: ['seed', 'scheme', 'color'],
  retro: ['seed', 'scheme', 'color'],
  robohash: ['seed', 'scheme', 'color'],
  wavatar: ['seed', 'scheme', 'color'],
};
const OTHERS: readonly Partial<Placeholder>[] = [
  { seed: 'bob' },
  { scheme: 'dark' },
  { name: 'Bob Miles' },
  { initials: 'xy' },
  { color: '#abcdef' },
];

describe('a drawing', () => {
  it.each(PLACEHOLDER_KINDS)('is another one only for what its kind shows: %s', (kind) => {
    const one: Placeholder = { kind, seed: 'ada' };
    const decides = OTHERS.filter((other) => keyOf({ ...one, ...other }) !== keyOf(one)).flatMap(Object.keys);
    expect(decides).toEqual(DECIDES[kind]);
  });

  it('is the same for names with the same initials', () => {
    const names = ['Ada Lovelace', 'Alan Li', 'Ángel Álvarez', 'ada (she) lovelace'];
    expect(keysOf(names.map((name) => ({ ...ADA, name })))).toBe(2);
    expect(
      keysOf([
        ADA,
        { ...ADA, seed: 'bob' },
        { ...ADA, scheme: 'dark' },
        { ...ADA, name: 'L', initials: 'al' },
      ]),
    ).toBe(1);
    expect(keysOf([ADA, { ...ADA, name: 'Lovelace Ada' }])).toBe(2);
  });

  it('is the same for both ways to write a color', () => {
    expect(
      keysOf([
        { ...ADA, color: '#abcdef' },
        { ...ADA, color: '#ABCDEF' },
      ]),
    ).toBe(1);
  });

  it('is one head, whoever has no initials', () => {
    const kinds = ['mp', 'initials'] as const;
    expect(keysOf(kinds.map((kind) => ({ kind, seed: '', color: '#123456' })))).toBe(1);
  });

  it('has a key that is safe as a file name and tells nobody the name', () => {
    for (const kind of PLACEHOLDER_KINDS) expect(keyOf({ ...ADA, kind })).toMatch(/^[a-z]+-[0-9a-f]{16}$/);
  });
});
