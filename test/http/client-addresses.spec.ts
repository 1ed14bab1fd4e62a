import type { IncomingMessage } from 'node:http';
import { Settings } from '../../src/config/settings.js';
import { ClientAddresses } from '../../src/http/client-addresses.js';

/** @param trusted TRUST_PROXY */
function addressOf(trusted: string, remoteAddress: string, headers: Record<string, string>): string {
  const settings = new Settings();
  settings.trustProxy = trusted === '' ? [] : trusted.split(',');
  const request = { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
  return new ClientAddresses(settings).of(request);
}

const [PROXY, CLIENT] = ['10.0.0.1', '203.0.113.9'];
const X = { 'x-forwarded-for': CLIENT };

describe('the address of a client', () => {
  it.each<[name: string, trusted: string, remote: string, headers: Record<string, string>, address: string]>([
    ['without a proxy', '', CLIENT, {}, CLIENT],
    ['IPv4 on a socket of IPv6', '', `::ffff:${CLIENT}`, {}, CLIENT],
    ['a header of nobody that is trusted', '', CLIENT, { 'x-forwarded-for': '192.0.2.1' }, CLIENT],
    ['by the proxy', '10.0.0.0/8', PROXY, X, CLIENT],
    ['by the proxy on a socket of IPv6', '10.0.0.0/8', `::ffff:${PROXY}`, X, CLIENT],
    ['what the client made up', '10.0.0.0/8', PROXY, { 'x-forwarded-for': `192.0.2.1, ${CLIENT}` }, CLIENT],
    ['a chain of proxies', '10.0.0.0/8', PROXY, { 'x-forwarded-for': `${CLIENT}, 10.0.0.2` }, CLIENT],
    ['a number of proxies', '2', PROXY, { 'x-forwarded-for': `192.0.2.1, ${CLIENT}, 172.16.0.1` }, CLIENT],
    ['fewer addresses than proxies', '3', PROXY, X, CLIENT],
    ['IPv6', '1', PROXY, { 'x-forwarded-for': '2001:db8::1' }, '2001:db8::1'],
    ['with a port', '1', PROXY, { 'x-forwarded-for': `${CLIENT}:1234` }, CLIENT],
    ['IPv6 with a port', '1', PROXY, { 'x-forwarded-for': '[2001:db8::1]:1234' }, '2001:db8::1'],
    ['no address', '1', PROXY, { 'x-forwarded-for': 'evil' }, PROXY],
    ['nothing', '1', PROXY, { 'x-forwarded-for': '' }, PROXY],
    ['too much', '1', PROXY, { 'x-forwarded-for': `${'1.1.1.1, '.repeat(600)}${CLIENT}` }, PROXY],
    ['Forwarded', '1', PROXY, { forwarded: `for=192.0.2.1, for=${CLIENT};proto=https` }, CLIENT],
    ['Forwarded, malformed', '1', PROXY, { forwarded: `for=${CLIENT}"` }, PROXY],
    ['Forwarded, hidden', '1', PROXY, { forwarded: 'for=_hidden' }, PROXY],
    ['both, the same', '1', PROXY, { ...X, forwarded: `for=${CLIENT}` }, CLIENT],
    ['both, but different', '1', PROXY, { ...X, forwarded: 'for=192.0.2.1' }, PROXY],
  ])('%s', (_, trusted, remote, headers, address) => {
    expect(addressOf(trusted, remote, headers)).toBe(address);
  });
});
