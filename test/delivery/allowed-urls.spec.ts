import { allowedUrl } from '../../src/delivery/allowed-urls.js';

const ALLOWED = ['https://cdn.example', 'https://img.example/avatars', 'http://local.example:8080/a/'].map(
  (url) => new URL(url),
);

describe('allowedUrl', () => {
  it.each([
    ['https://cdn.example', 'https://cdn.example/'],
    ['https://cdn.example/nobody.png', 'https://cdn.example/nobody.png'],
    ['HTTPS://CDN.example:443/a/../b.png?s=80#x', 'https://cdn.example/b.png?s=80#x'],
    ['https://cdn.example?x=https://evil.example', 'https://cdn.example/?x=https://evil.example'],
    ['https://cdn.example//evil.example/x', 'https://cdn.example//evil.example/x'],
    ['https://img.example/avatars', 'https://img.example/avatars'],
    ['https://img.example/avatars/', 'https://img.example/avatars/'],
    ['https://img.example/avatars/a.png', 'https://img.example/avatars/a.png'],
    ['http://local.example:8080/a/b', 'http://local.example:8080/a/b'],
    ['https://cdn.example/ä"<>\'', "https://cdn.example/%C3%A4%22%3C%3E'"],
  ])('lets %s pass', (text, href) => {
    expect(allowedUrl(text, ALLOWED)).toBe(href);
  });

  it.each([
    '',
    'identicon',
    '/nobody.png',
    'nobody.png',
    '//cdn.example/x',
    '///cdn.example/x',
    'https:cdn.example/x',
    'https:/cdn.example/x',
    'https:///cdn.example/x',
    'https://',
    'https://?',
    'http://cdn.example/x',
    'https://cdn.example:8443/x',
    'https://cdn.example./x',
    'https://cdn.example.evil.example/x',
    'https://evil.example/cdn.example/x',
    'https://evil.example?https://cdn.example/',
    'https://evil.example#https://cdn.example/',
    'https://cdn.example@evil.example/x',
    'https://user@cdn.example/x',
    'https://user:password@cdn.example/x',
    'https://@cdn.example/x',
    'https://:@cdn.example/x',
    'https://cdn.example\\@evil.example/x',
    'https:\\\\cdn.example\\x',
    'https://evil.example\\.cdn.example/x',
    'https://cdn.example/\\evil.example',
    ' https://cdn.example/x',
    'https://cdn.example/x ',
    'https://cdn.ex\nample/x',
    'https://cdn.example/\tx',
    'https://cdn.example/x\r\nSet-Cookie: a=b',
    'https://cdn.example/\u0000',
    'https://cdn.example/\u2028',
    'https://cdn.example:99999/x',
    'https://img.example/',
    'https://img.example/avatarsevil',
    'https://img.example/other/x',
    'https://img.example/avatars/../x',
    'https://img.example/avatars/%2e%2e/x',
    'https://img.example/avatars/..%2fx',
    'https://img.example/avatars/..%5Cx',
    'http://local.example:8080/a',
    'http://local.example/a/b',
    'javascript:alert(1)',
    'javascript://cdn.example/%0aalert(1)',
    'data:image/png,x',
    'ftp://cdn.example/x',
    'file:///etc/passwd',
    'blob:https://cdn.example/x',
  ])('lets %j not pass', (text) => {
    expect(allowedUrl(text, ALLOWED)).toBeUndefined();
  });

  it('lets nothing pass where nothing is allowed', () => {
    expect(allowedUrl('https://cdn.example/x', [])).toBeUndefined();
  });
});
