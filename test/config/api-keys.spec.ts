import { type ApiKey, faultOfApiKeys, readApiKeys } from '../../src/config/api-keys.js';
import { SCOPES } from '../../src/model/access.js';
import { fc } from '../support/properties.js';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

const hex = Array.from('0123456789abcdef');
const sum = fc.string({ unit: fc.constantFrom(...hex), minLength: 64, maxLength: 64 });
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/);
const prefix = fc.oneof(fc.constant(''), fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._~@|:+=-]{0,79}$/));
const scopes = fc.subarray([...SCOPES], { minLength: 1 });
const key = fc.record({ name, scopes, sum, prefix });

const written = ({ name: called, scopes: words, sum: hash, prefix: start }: ApiKey) =>
  `${called}:${words.join('+')}:${hash}${start === '' ? '' : `:${start}`}`;

describe('API_KEYS', () => {
  it('are read as they were written, bare sums as keys that may do everything, named by their place', () => {
    const distinct = fc
      .uniqueArray(key, { selector: (one) => one.name, maxLength: 8 })
      .filter((keys) => new Set(keys.map((one) => one.sum)).size === keys.length);
    fc.assert(
      fc.property(distinct, (keys) => {
        expect(faultOfApiKeys(keys.map(written))).toBeUndefined();
        expect(readApiKeys(keys.map(written))).toEqual(keys);
      }),
    );
    const bare = { scopes: SCOPES, prefix: '' };
    expect(readApiKeys([A, `list:read:${'c'.repeat(64)}`, B])).toEqual([
      { ...bare, name: 'key1', sum: A },
      { name: 'list', scopes: ['read'], sum: 'c'.repeat(64), prefix: '' },
      { ...bare, name: 'key3', sum: B },
    ]);
  });

  it('take the same bare sum twice, as they always did', () => {
    expect(faultOfApiKeys([A, A])).toBeUndefined();
  });

  it.each<[items: string[], said: RegExp]>([
    [['secret'], /^item 1 has to be a SHA-256 sum/],
    [[A, 'secret'], /^item 2 has to be/],
    [[A.toUpperCase()], /in lower case/],
    [[`secret:${A}`], /^item 1 has to be/],
    [[`:read:${A}`], /^item 1 has to be/],
    [[`Secret:read:${A}`], /A name has up to 32 of a-z/],
    [[`secret:read:${A}:`], /^item 1 has to be/],
    [[`secret:read:${A}:a/b`], /^item 1 has to be/],
    [[`secret:read+secret:${A}`], /^item 1 has other scopes than read, write, admin/],
    [[`secret:read+read:${A}`], /each that it needs once/],
    [[`secret:+:${A}`], /^item 1 has other scopes/],
    [[`secret:read:${A}`, `secret:write:${B}`], /^items 1 and 2 have the same name/],
    [[`secret:read:${A}`, B, `other:write:${A}`], /^items 1 and 3 have the same sum/],
    [[A, `secret:read:${A}`], /^items 1 and 2 have the same sum/],
    [[A, `key1:read:${B}`], /^items 1 and 2 have the same name/],
  ])('say what is wrong, and repeat nothing: %j', (items, said) => {
    const fault = faultOfApiKeys(items) ?? '';
    expect(fault).toMatch(said);
    expect(fault).not.toMatch(/secret|aaaa|bbbb/i);
  });
});
