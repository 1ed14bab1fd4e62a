import { Settings } from '../../src/config/settings.js';
import { Fallbacks } from '../../src/delivery/fallbacks.js';
import { GravatarRequests } from '../../src/delivery/gravatar-requests.js';
import type { Version } from '../../src/model/manifest.js';
import { chooseRendition, parseRenditionName, renditionName } from '../../src/model/rendition.js';

const settings: Partial<Settings> = {
  gravatarMaxSize: 512,
  avatarDefault: 'wavatar',
  avatarDefaultUrls: ['https://cdn.example/'],
};
const all = Object.assign(new Settings(), settings);
const requests = new GravatarRequests(all, new Fallbacks(all));
/** As Fastify reads a query: what is there twice is a list. */
const read = (query: string, file = 'abc') => {
  const parameters = new URLSearchParams(query);
  const entries = [...new Set(parameters.keys())].map((name) => {
    const values = parameters.getAll(name);
    return [name, values.length > 1 ? values : values[0]] as const;
  });
  return requests.read(file, Object.fromEntries(entries));
};

describe('a Gravatar request', () => {
  it.each([
    ['', 80],
    ['s=1', 1],
    ['s=48', 48],
    ['size=48', 48],
    ['s=48x48', 48],
    ['s=48X50', 48],
    ['s=%2048%20', 48],
    ['s=+48', 48],
    ['s=007', 7],
    ['s=512', 512],
    ['s=513', 512],
    ['s=2048', 512],
    ['s=99999999999999999999', 512],
    [`s=${'9'.repeat(400)}`, 512],
    ['s=', 80],
    ['s=0', 80],
    ['s=0x50', 80],
    ['s=-1', 80],
    ['s=%2B48', 80],
    ['s=48.5', 80],
    ['s=1e2', 80],
    ['s=48px', 80],
    ['s=x48', 80],
    ['s=NaN', 80],
    ['s=Infinity', 80],
    ['s=%D9%A4%D9%A8', 80],
    ['s=40&size=50', 50],
    ['size=50&s=40', 50],
    ['size=&s=40', 80],
    ['size=nonsense&s=40', 80],
    ['s=40&s=50', 50],
    ['S=40', 80],
  ])('with %s is for %d px', (query, size) => {
    expect(read(query).size).toBe(size);
  });

  it.each<[query: string, fallback: unknown]>([
    ['', { kind: 'wavatar' }],
    ['d=', { kind: 'wavatar' }],
    ['d=nonsense', { kind: 'wavatar' }],
    ['d=toString', { kind: 'wavatar' }],
    ['d=404', 'nothing'],
    ['default=404', 'nothing'],
    ['d=mm', { kind: 'mp' }],
    ['d=mp', { kind: 'mp' }],
    ...['identicon', 'monsterid', 'wavatar', 'retro', 'robohash', 'blank', 'initials', 'color'].map(
      (kind): [string, unknown] => [`d=${kind}`, { kind }],
    ),
    ['d=retro&default=identicon', { kind: 'identicon' }],
    ['default=identicon&d=404', { kind: 'identicon' }],
    ['d=retro&d=identicon', { kind: 'identicon' }],
    ['d=https%3A%2F%2Fcdn.example%2Fa.png', { url: 'https://cdn.example/a.png' }],
    ['d=https://cdn.example/a.png', { url: 'https://cdn.example/a.png' }],
    ['d=https%253A%252F%252Fcdn.example%252Fa.png', { kind: 'wavatar' }],
    ['d=https%3A%2F%2Fevil.example%2Fa.png', { kind: 'wavatar' }],
    ['d=%2F%2Fcdn.example%2Fa.png', { kind: 'wavatar' }],
  ])('with %s falls back to %j', (query, fallback) => {
    expect(read(query).fallback).toEqual(fallback);
  });

  it.each([
    ['', false],
    ['f=y', true],
    ['forcedefault=y', true],
    ['f=n', false],
    ['f=', false],
    ['f=yes', false],
    ['f=y&forcedefault=n', false],
    ['f=n&forcedefault=y', true],
  ])('with %s always wants the default: %s', (query, forced) => {
    expect(read(query).forced).toBe(forced);
  });

  it.each([
    ['', '', undefined],
    ['abc', 'abc', undefined],
    ['ABC', 'abc', undefined],
    ['abc.jpg', 'abc', 'jpeg'],
    ['abc.JPG', 'abc', 'jpeg'],
    ['abc.jpeg', 'abc', 'jpeg'],
    ['abc.png', 'abc', 'png'],
    ['abc.webp', 'abc', 'webp'],
    ['abc.gif', 'abc', 'gif'],
    ['abc.avif', 'abc', 'avif'],
    ['.jpg', '', 'jpeg'],
    ['jpg', 'jpg', undefined],
    ['abc.bmp', 'abc.bmp', undefined],
    ['abc.', 'abc.', undefined],
    ['a.b.png', 'a.b', 'png'],
    ['abc.png.jpg', 'abc.png', 'jpeg'],
    ['abc.master', 'abc.master', undefined],
  ])('for %j is for the hash %j as %s', (file, hash, format) => {
    expect(read('', file)).toMatchObject({ hash, format });
  });

  it('has the name and the initials to draw, cut to the part that is used', () => {
    expect(read('name=Ada%20Lovelace&initials=AL')).toMatchObject({ name: 'Ada Lovelace', initials: 'AL' });
    expect(read(`name=${'a'.repeat(9999)}`).name).toHaveLength(256);
    expect(read('r=x&rating=g')).toEqual(read(''));
  });
});

describe('an exact rendition', () => {
  const version = { width: 256, master: 'jpeg', animated: false } as Version;
  const sizes = [16, 64, 256, 512];
  const choose = (size: number, facts: Partial<Version> = {}, format: 'jpeg' | 'webp' = 'webp') =>
    renditionName(
      chooseRendition({ ...version, ...facts }, { size, format, exact: true, still: true }, sizes),
    );

  it.each([
    [64, '64.webp'],
    [65, '65-exact.webp'],
    [1, '1-exact.webp'],
    [256, '256.webp'],
    [257, '257-exact.webp'],
    [512, '512-exact.webp'],
    [2048, '2048-exact.webp'],
  ])('of %d px is %s: a configured size up to the master, or one not stored', (size, name) => {
    expect(choose(size)).toBe(name);
  });

  it('is the master if that fits, and a still picture if that is requested', () => {
    expect(choose(256, {}, 'jpeg')).toBe('master.jpeg');
    expect(choose(65, { animated: true })).toBe('65-still-exact.webp');
    expect(choose(64, { animated: true })).toBe('64-still.webp');
  });

  it('has no immutable URL', () => {
    expect(['65-exact.webp', '65-still-exact.webp'].map(parseRenditionName)).toEqual([undefined, undefined]);
  });
});
