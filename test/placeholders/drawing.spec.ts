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

  it('shows chosen initials before those of the name, and those of the seed only without both', () => {
    const shown = (texts: Partial<Placeholder>) => {
      const drawing = drawingOf({ kind: 'initials', seed: 'jane.doe', ...texts }, fonts);
      return drawing.kind === 'initials' ? drawing.graphemes.join(' ') : drawing.kind;
    };
    expect(shown({ name: 'Ada Lovelace', initials: 'xy' })).toBe('X Y');
    expect(shown({ name: 'Ada Lovelace', initials: '…' })).toBe('A L');
    expect(shown({ name: 'Ada Lovelace', initials: ' ' })).toBe('A L');
    expect(shown({ name: 'ᚠᚢᚦ', initials: 'xy' })).toBe('X Y');
    for (const blank of ['', ' ', '\t\u3000\n']) expect(shown({ name: blank, initials: blank })).toBe('J D');
    expect(shown({})).toBe('J D');
    expect(shown({ seed: 'd41d8cd98f00b204e9800998ecf8427e' })).toBe('mp');
  });

  it('belongs to the name if nothing of it can be drawn, and never to the seed', () => {
    const names = [
      'ᚠᚢᚦ',
      'ᚠᚢ',
      '.',
      '-- (…) !',
      '\uD83D',
      '\u0378',
      '\u3164',
      'd41d8cd98f00b204e9800998ecf8427e',
    ];
    const drawings = names.map((name) => drawingOf({ ...ADA, name }, fonts));
    expect(drawings.map(({ kind }) => kind)).toEqual(names.map(() => 'identicon'));
    expect(keysOf(names.map((name) => ({ ...ADA, name })))).toBe(names.length);
    expect(keysOf(['jane', 'john'].map((seed) => ({ ...ADA, seed, name: 'ᚠᚢᚦ' })))).toBe(1);
    expect(
      keysOf([
        { ...ADA, name: 'ᚠ' },
        { ...ADA, name: ' ᚠ ', initials: 'ᚢ' },
      ]),
    ).toBe(1);
    expect(keysOf(['ᚠ', 'ᚢ'].map((initials) => ({ ...ADA, name: '', initials })))).toBe(2);
  });

  it('has the graphemes in the order in which they stand', () => {
    const shown = (name: string) => {
      const drawing = drawingOf({ ...ADA, name }, fonts);
      return drawing.kind === 'initials' ? drawing.graphemes : [];
    };
    expect(shown('Ada Lovelace')).toEqual(['A', 'L']);
    expect(shown('שרה לוי')).toEqual(['ל', 'ש']);
    expect(shown('محمد Smith')).toEqual(['S', 'م']);
    expect(shown('Smith محمد')).toEqual(['S', 'م']);
    expect(shown('٣ ٤')).toEqual(['٣', '٤']);
  });

  it('has a grapheme without the marks that no font has', () => {
    const shown = (name: string) => {
      const drawing = drawingOf({ ...ADA, name }, fonts);
      return drawing.kind === 'initials' ? drawing.graphemes : [];
    };
    expect(shown('A\u20DD')).toEqual(['A']);
    expect(shown(`z${'\u0335'.repeat(200)}`)).toEqual(['Z']);
    expect(shown('ᚠ Lovelace')).toEqual(['L']);
    expect(keysOf(['A', 'A\u20DD'].map((name) => ({ ...ADA, name })))).toBe(1);
  });

  it('is one head, whoever has no initials', () => {
    const kinds = ['mp', 'initials'] as const;
    expect(keysOf(kinds.map((kind) => ({ kind, seed: '', color: '#123456' })))).toBe(1);
  });

  it('has a key that is safe as a file name and tells nobody the name', () => {
    for (const kind of PLACEHOLDER_KINDS) expect(keyOf({ ...ADA, kind })).toMatch(/^[a-z]+-[0-9a-f]{16}$/);
  });
});
