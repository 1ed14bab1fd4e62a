import { percentEncode } from '../../src/tools/percent-encode.js';
import { fc } from '../support/properties.js';

it('percent-encodes all but what has no meaning in any part of a URL, and back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const encoded = percentEncode(value);
      expect(encoded).toMatch(/^(?:[\w.~-]|%[0-9A-F]{2})*$/);
      expect(decodeURIComponent(encoded)).toBe(value);
    }),
  );
});
