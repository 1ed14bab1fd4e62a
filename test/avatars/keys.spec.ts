import { ENCODED_ID_SCHEMA, ID_SCHEMA } from '../../src/api/openapi/schemas.js';
import { LOOKUP, decodeId, encodeId, isId, manifestKey, prefixOf } from '../../src/model/keys.js';
import { pathsOfAvatar } from '../../src/model/purging.js';
import { assertKey } from '../../src/storage/object-store.js';
import { fc } from '../support/properties.js';

const FIRST = 'ABCXYZabcxyz0189_-';
const LATER = `${FIRST}.~@|:+=`;
const one = (characters: string) => fc.constantFrom(...Array.from(characters));
const id = fc
  .tuple(one(FIRST), fc.string({ unit: one(LATER), maxLength: 79 }))
  .map((parts) => parts.join(''))
  .filter((text) => text !== LOOKUP);

describe('ids', () => {
  it('begin with any letter or digit, _ or -, and are read back from their keys', () => {
    fc.assert(
      fc.property(id, (text) => {
        expect([isId(text), new RegExp(ID_SCHEMA.pattern).test(text)]).toEqual([true, true]);
        expect(encodeId(text)).toMatch(new RegExp(ENCODED_ID_SCHEMA.pattern));
        expect(decodeId(encodeId(text))).toBe(text);
        assertKey(manifestKey(text));
      }),
    );
  });

  it('begin with no other character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), id, (first, rest) => {
        const text = `${first}${rest}`.slice(0, 80);
        const fits = /[A-Za-z0-9_-]/.test(first);
        expect([isId(text), new RegExp(ID_SCHEMA.pattern).test(text)]).toEqual([fits, fits]);
      }),
    );
    expect(['.', '..', '.hidden', '~', '@a', '|a', ':a', '+49', '=a', ''].filter(isId)).toEqual([]);
  });

  it('have keys and paths of their own, whatever a file system makes of case', () => {
    const near = fc.tuple(id, fc.nat({ max: 79 }), one(LATER)).map(([text, at, character]) => {
      const other = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
      return [text, isId(other) ? other : `_${text}`.slice(0, 80)] as const;
    });
    fc.assert(
      fc.property(near, ([text, other]) => {
        fc.pre(text !== other);
        const keys = [text, other].flatMap((each) => [manifestKey(each), prefixOf(each)]);
        expect(new Set(keys.map((key) => key.toLowerCase())).size).toBe(4);
        const whole = (each: string) => pathsOfAvatar(each).map((path) => `${path}/info`);
        expect(whole(text).filter((path) => whole(other).includes(path))).toEqual([]);
      }),
    );
  });
});
