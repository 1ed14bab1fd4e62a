import { acceptClass, acceptedFormats } from '../../src/delivery/negotiation.js';
import { fc } from '../support/properties.js';

const OPAQUE = { master: 'jpeg', animated: false } as const;
const TRANSPARENT = { master: 'webp', animated: false } as const;
const ANIMATED = { master: 'webp', animated: true } as const;

/** What clients send for an `img`, as of 2026. */
const CLIENTS: [client: string, accept: string | undefined, opaque: string, animated: string][] = [
  [
    'Chrome',
    'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8',
    'avif webp jpeg',
    'webp png',
  ],
  [
    'Firefox',
    'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
    'avif webp jpeg',
    'webp png',
  ],
  [
    'Safari',
    'image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5',
    'avif webp jpeg',
    'webp png',
  ],
  ['an old Safari', 'image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5', 'jpeg', 'png'],
  ['Edge 18', 'image/png, image/svg+xml, image/*; q=0.8, */*; q=0.5', 'jpeg', 'png'],
  ['curl', '*/*', 'jpeg', 'png'],
  ['no header', undefined, 'jpeg', 'png'],
  ['an empty header', '', 'jpeg', 'png'],
  ['okhttp', undefined, 'jpeg', 'png'],
  ['CFNetwork', '*/*', 'jpeg', 'png'],
  ['Internet Explorer', 'image/gif, image/x-xbitmap, image/jpeg, image/pjpeg, */*', 'jpeg', 'png'],
  [
    'Chrome, as a page',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7',
    'avif webp jpeg',
    'webp png',
  ],
  ['Firefox, as a page', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'jpeg', 'png'],
  [
    'an older Firefox, as a page',
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8',
    'avif webp jpeg',
    'webp png',
  ],
  ['Safari, as a page', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'jpeg', 'png'],
  ['one that shows no pictures', 'text/html,application/xhtml+xml', 'jpeg', 'png'],
  ['nonsense', ';;,q=,image/webp;q=banana', 'jpeg', 'png'],
];

/** Headers with every order of these ranges that matters. */
const RANGES = ['image/avif', 'image/webp', 'image/png', 'image/jpeg', 'image/*'];
const WEIGHTS = [undefined, '0', '0.1', '0.2', '0.3', '1'];
const HEADERS = RANGES.reduce(
  (headers, range) =>
    headers.flatMap((header) =>
      WEIGHTS.map((weight) => (weight === undefined ? header : `${header}, ${range};q=${weight}`)),
    ),
  [''],
);

/** What a header gives for all kinds of pictures. */
function everyAnswer(accept: string | undefined): string {
  return [
    acceptedFormats(OPAQUE, accept, false),
    acceptedFormats(OPAQUE, accept, false, 'png'),
    acceptedFormats(TRANSPARENT, accept, false),
    acceptedFormats(ANIMATED, accept, false),
    acceptedFormats(ANIMATED, accept, true),
    acceptedFormats(ANIMATED, accept, false, 'jpeg'),
  ].join('; ');
}

describe('acceptedFormats', () => {
  it.each(CLIENTS)('for %s', (_, accept, opaque, animated) => {
    expect(acceptedFormats(OPAQUE, accept, false).join(' ')).toBe(opaque);
    expect(acceptedFormats(TRANSPARENT, accept, false).join(' ')).toBe(opaque.replace('jpeg', 'png'));
    expect(acceptedFormats(ANIMATED, accept, false).join(' ')).toBe(animated);
    expect(acceptedFormats(ANIMATED, accept, true).join(' ')).toBe(opaque.replace('jpeg', 'png'));
  });

  it.each([
    ['image/webp;q=0', 'jpeg'],
    ['image/webp;q=0.5, image/jpeg', 'jpeg webp'],
    ['image/avif;q=0.5, image/webp;q=0.9, */*;q=0.1', 'webp avif jpeg'],
    ['IMAGE/WEBP;Q=1', 'webp jpeg'],
    ['image/jpeg;q=0, image/webp', 'webp jpeg'],
    ['image/png', 'png jpeg'],
    ['image/png, image/jpeg;q=0.1', 'png jpeg'],
    ['image/jpeg, image/png;q=0.1', 'jpeg'],
    ['image/png, image/jpeg', 'jpeg'],
    ['image/png, image/*;q=0.1', 'jpeg'],
    ['image/jpeg;q=0, image/png', 'png jpeg'],
    ['image/jpeg;q=0, image/*;q=0.5', 'png jpeg'],
    ['image/jpeg;q=0, */*', 'png jpeg'],
    ['image/jpeg;q=0, image/png;q=0, image/webp', 'webp jpeg'],
    ['image/jpeg;q=0, image/png;q=0, image/*', 'avif webp jpeg'],
    ['image/jpeg;q=0, image/png;q=0, image/avif;q=0, */*', 'webp jpeg'],
    ['image/*;q=0', 'jpeg'],
    ['image/*;q=0, */*', 'jpeg'],
    ['*/*;q=0', 'jpeg'],
    ['*/*;q=0, image/avif;q=0.1', 'avif jpeg'],
    ['image/*, image/webp;q=0.001', 'jpeg webp'],
    ['image/png;q=0.5, image/webp', 'webp png jpeg'],
    ['image/png;q=0', 'jpeg'],
  ])('weighs %s', (accept, formats) => {
    expect(acceptedFormats(OPAQUE, accept, false).join(' ')).toBe(formats);
  });

  it.each([
    ['image/webp;q=1.', true],
    ['image/webp;q=1.000', true],
    ['image/webp;q=0.001', true],
    ['image/webp \t;\t Q=0.5 ', true],
    ['image/webp;;q=1;', true],
    [',,image/webp,', true],
    ['text/x;a="\\",", image/webp', true],
    ['image/webp;q=0.000', false],
    ['image/webp;q=0.', false],
    ['image/webp;q=1.001', false],
    ['image/webp;q=1.0000', false],
    ['image/webp;q=0.0001', false],
    ['image/webp;q=.5', false],
    ['image/webp;q=2', false],
    ['image/webp;q=01', false],
    ['image/webp;q=-0', false],
    ['image/webp;q=+1', false],
    ['image/webp;q=1e0', false],
    ['image/webp;q=0x1', false],
    ['image/webp;q=', false],
    ['image/webp;q', false],
    ['image/webp;q="1"', false],
    ['image/webp;q =1', false],
    ['image/webp;q= 1', false],
    ['image/webp;q=1;q=0', false],
    ['image/webp q=1', false],
    ['image / webp', false],
    ['image/webp;level=1', false],
    ['image/webp;level=1;q=1', false],
    ['text/x;a=",image/webp,"', false],
    ['text/x;a=",image/webp', false],
    ['text/x;a="\\",image/webp,"', false],
  ])('keeps to the grammar of %j', (accept, named) => {
    expect(acceptedFormats(OPAQUE, accept, false)).toEqual(named ? ['webp', 'jpeg'] : ['jpeg']);
  });

  it('skips an item that breaks the grammar, and no other', () => {
    expect(acceptedFormats(OPAQUE, 'image/jpeg;q=0;x, image/webp;q=0.5, */*;q=0.1', false)).toEqual([
      'webp',
      'jpeg',
    ]);
  });

  it('gives a transparent picture as JPEG only if PNG is ruled out, or JPEG preferred to it by name', () => {
    for (const version of [TRANSPARENT, ANIMATED]) {
      expect(acceptedFormats(version, 'image/jpeg', false)).toEqual(['jpeg', 'png']);
      expect(acceptedFormats(version, 'image/jpeg, image/png;q=0.5', false)).toEqual(['jpeg', 'png']);
      expect(acceptedFormats(version, 'image/jpeg, */*;q=0.5', false)).toEqual(['png']);
      expect(acceptedFormats(version, 'image/jpeg, image/png;q=0', false)).toEqual(['jpeg', 'png']);
      expect(acceptedFormats(version, 'image/jpeg, image/*;q=0.1', false)).toEqual(['png']);
    }
    expect(acceptedFormats(OPAQUE, 'image/jpeg', false, 'png')).toEqual(['jpeg', 'png']);
  });

  it('always offers a format that every client can show', () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (accept, still) => {
        expect(acceptedFormats(OPAQUE, accept, still)).toContain('jpeg');
        expect(acceptedFormats(ANIMATED, accept, still)).toContain('png');
      }),
    );
  });
});

describe('acceptClass', () => {
  const known = new Map<string, string>();

  it('gives 65 classes, each with one answer', () => {
    for (const accept of [undefined, ...HEADERS]) {
      const name = acceptClass(accept);
      const answer = everyAnswer(accept);
      if (known.get(name) !== answer) {
        expect([accept, known.get(name)]).toEqual([accept, undefined]);
        known.set(name, answer);
      }
    }
    expect(known.size).toBe(65);
    expect(new Set(known.values()).size).toBe(65);
    expect(Math.max(...[...known.keys()].map((name) => name.length))).toBeLessThan(10);
  });

  it('gives no other class for any header', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...RANGES,
        '*/*',
        'image/gif',
        ',',
        ';',
        '; q=',
        'Q=',
        '0',
        '1',
        '.',
        '5',
        '"',
        '\\',
        ' ',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        const accept = pieces.join('');
        expect(known.get(acceptClass(accept))).toBe(everyAnswer(accept));
      }),
    );
  });
});
