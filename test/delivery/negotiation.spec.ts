import fc from 'fast-check';
import { acceptedFormats } from '../../src/delivery/negotiation.js';

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
  ['a page', 'text/html,application/xhtml+xml', 'jpeg', 'png'],
  ['nonsense', ';;,q=,image/webp;q=banana', 'jpeg', 'png'],
];

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
    ['image/png, image/jpeg;q=0.1', 'jpeg'],
    ['image/png;q=0.5, image/webp', 'webp png jpeg'],
    ['image/png;q=0', 'jpeg'],
  ])('weighs %s', (accept, formats) => {
    expect(acceptedFormats(OPAQUE, accept, false).join(' ')).toBe(formats);
  });

  it('gives a transparent picture as JPEG only if PNG is ruled out', () => {
    for (const version of [TRANSPARENT, ANIMATED]) {
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
