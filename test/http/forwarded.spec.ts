import { TrustedProxies, namesProxies } from '../../src/config/trusted-proxies.js';
import { parseForwarded } from '../../src/http/forwarded.js';
import { fc } from '../support/properties.js';

const address = fc.oneof(fc.ipV4(), fc.ipV6());
const port = fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined });
const text = fc.string({ unit: fc.constantFrom(...Array.from('aZ09 ,;="\\[]:\t')), maxLength: 12 });
const element = fc.record({ address, port, host: text, proto: fc.constantFrom('http', 'HTTPS') });

const quoted = (value: string) => `"${value.replace(/["\\]/g, '\\$&')}"`;
const nodeOf = (ip: string, at: number | undefined) =>
  `${ip.includes(':') ? `[${ip}]` : ip}${at === undefined ? '' : `:${at}`}`;
const written = (said: { address: string; port: number | undefined; host: string; proto: string }) =>
  `For=${quoted(nodeOf(said.address, said.port))};proto=${said.proto};host=${quoted(said.host)}`;

describe('a Forwarded header', () => {
  it('is read as it was written, whatever stands between quotes', () => {
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 8 }), (elements) => {
        const wanted = elements.map(({ address: ip, host, proto }) => ({ address: ip, host, proto }));
        expect(parseForwarded(elements.map(written).join(' ,\t'))).toEqual(wanted);
      }),
    );
  });

  it('ends with what the nearest proxy appended, or counts for nothing, whatever its client sent', () => {
    const own = 'for="[2001:db8::1]:4711";proto=https;host="a.example"';
    const last = { address: '2001:db8::1', host: 'a.example', proto: 'https' };
    const words = ['for=', 'host=evil', 'proto=http', '1.2.3.4', own];
    const pieces = fc.constantFrom(...Array.from('"\\,;= \t'), ...words);
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (sent) => {
        const read = parseForwarded(`${sent.join('')}, ${own}`);
        if (read) expect(read.at(-1)).toEqual(last);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[header: string, addresses: (string | undefined)[]]>([
    ['for=192.0.2.43, for="[2001:db8:cafe::17]"', ['192.0.2.43', '2001:db8:cafe::17']],
    ['for="192.0.2.43:47011"', ['192.0.2.43']],
    ['for="192.0.2.43:_port"', ['192.0.2.43']],
    ['for=unknown, for=_hidden, for="_SEVKISEK:8"', [undefined, undefined, undefined]],
    ['proto=https;by=203.0.113.43;', [undefined]],
    [', ,for=192.0.2.1,', ['192.0.2.1']],
    ['', []],
  ])('may be %j', (header, addresses) => {
    expect(parseForwarded(header)?.map((one) => one.address)).toEqual(addresses);
  });

  it.each([
    'for=192.0.2.43:80',
    'for=2001:db8::1',
    'for="2001:db8::1"',
    'for="[192.0.2.1]"',
    'for=300.1.1.1',
    'for=somebody',
    'for=""',
    'for="192.0.2.1',
    'for=192.0.2.1; proto=http',
    'for=192.0.2.1 proto=http',
    'for = 192.0.2.1',
    'host=a;Host=b',
    'host',
    'host=',
    'host="a"b',
    'host="a\u0000"',
    `host=${'a'.repeat(4100)}`,
  ])('counts for nothing if it is %j', (header) => {
    expect(parseForwarded(header)).toBeUndefined();
  });
});

describe('the proxies that are trusted', () => {
  it.each<[items: string[], address: string | undefined, hop: number, trusted: boolean]>([
    [[], '127.0.0.1', 0, false],
    [['1'], undefined, 0, true],
    [['1'], '127.0.0.1', 1, false],
    [['2'], undefined, 1, true],
    [['127.0.0.1'], '127.0.0.1', 5, true],
    [['127.0.0.1'], '127.0.0.2', 0, false],
    [['127.0.0.1'], '::ffff:127.0.0.1', 0, true],
    [['10.1.0.0/16', 'fe80::/10'], '10.1.255.3', 0, true],
    [['10.1.0.0/16', 'fe80::/10'], '10.2.0.0', 0, false],
    [['10.1.0.0/16', 'fe80::/10'], 'fe80::1%eth0', 0, true],
    [['10.1.0.0/16', 'fe80::/10'], '2001:db8::1', 0, false],
    [['10.1.0.0/16'], undefined, 0, false],
    [['0.0.0.0/0'], 'unknown', 0, false],
  ])('if they are %j: %s after %i others: %s', (items, ip, hop, trusted) => {
    expect(new TrustedProxies(items).trusts(ip, hop)).toBe(trusted);
  });

  it.each([['0'], ['100'], ['-1'], ['true'], ['localhost'], ['10.0.0.0/33'], ['::1/129'], ['1', '2'], ['']])(
    'are not %j %s',
    (...items) => {
      expect(namesProxies(items)).toBe(false);
    },
  );
});
