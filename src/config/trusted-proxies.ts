import { BlockList, isIP } from 'node:net';

const NUMBER = /^[1-9]\d?$/;
const NETWORK = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i;

/** Whether this is a value of TRUST_PROXY: addresses and networks, or a number of proxies from 1 to 99. */
export function namesProxies(items: readonly unknown[]): boolean {
  if (items.length === 1 && NUMBER.test(String(items[0]))) return true;
  return items.every((item) => networkOf(String(item)) !== undefined);
}

/** Tells which addresses are proxies of our own. */
export class TrustedProxies {
  private readonly hops: number;
  private readonly networks = new BlockList();

  /** @param items what `namesProxies` allows; nothing: nobody is trusted */
  constructor(items: readonly string[]) {
    this.hops = NUMBER.test(items[0] ?? '') ? Number(items[0]) : 0;
    if (this.hops > 0) return;
    for (const item of items) {
      const network = networkOf(item);
      if (network) this.networks.addSubnet(network.address, network.prefix, network.family);
    }
  }

  /**
   * @param address undefined if it is hidden
   * @param hop how many proxies are between it and this process
   */
  trusts(address: string | undefined, hop: number): boolean {
    if (hop < this.hops) return true;
    const bare = address?.replace(/%.*/, '') ?? '';
    const version = isIP(bare);
    return version !== 0 && this.networks.check(bare, version === 6 ? 'ipv6' : 'ipv4');
  }

  /**
   * What our own proxies say of the requests that they got. What stands before it, their client wrote.
   * @param nearest the address of the connection's other end
   * @param said by each proxy, the nearest one last, with the address of its client
   * @returns the nearest one first
   */
  *believed<Said extends { address?: string | undefined }>(
    nearest: string | undefined,
    said: readonly Said[],
  ): Iterable<Said> {
    let address = nearest;
    for (const [hop, one] of said.toReversed().entries()) {
      if (!this.trusts(address, hop)) return;
      yield one;
      ({ address } = one);
    }
  }
}

interface Network {
  address: string;
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

function networkOf(item: string): Network | undefined {
  const [, address = '', bits] = NETWORK.exec(item) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  return prefix > most ? undefined : { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' };
}
