import { isIP } from 'node:net';

/** What one proxy says about the request that it got. */
export interface ForwardedElement {
  /** The address of its client, without port and brackets; undefined if it is hidden or not said. */
  address?: string | undefined;
  host?: string | undefined;
  proto?: string | undefined;
}

/** Longer headers count as malformed, in characters. An element has some 100. */
const MAX_CHARACTERS = 4096;

/** RFC 7239, section 4: a token and, after `=`, a token or a quoted string (RFC 9110, section 5.6). */
const PAIR =
  /([!#$%&'*+.^_`|~\w-]+)=(?:([!#$%&'*+.^_`|~\w-]+)|"((?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)")/y;
const COMMA = /[ \t]*,[ \t]*/y;

/** RFC 7239, section 6: an address, `unknown` or an obfuscated identifier, and a port. */
const NODE = /^(?:([\d.]+)|\[([\da-f:.]+)\]|unknown|_[\w.-]+)(?::(?:\d{1,5}|_[\w.-]+))?$/i;

/**
 * Reads a `Forwarded` header strictly: one mistake, and none of it counts, since it could hide where the
 * proxy's own words begin.
 * @returns an element for each proxy, the nearest one last; undefined if the header is malformed
 */
export function parseForwarded(header: string): ForwardedElement[] | undefined {
  if (header.length > MAX_CHARACTERS) return undefined;
  const elements: ForwardedElement[] = [];
  let pairs = new Map<string, string>();
  let at = 0;
  const skip = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    const pair = skip(PAIR);
    if (pair) {
      const [, name = '', token, quoted = ''] = pair;
      const key = name.toLowerCase();
      if (pairs.has(key)) return undefined;
      pairs.set(key, token ?? quoted.replace(/\\(.)/g, '$1'));
    }
    if (header[at] === ';') at++;
    else {
      const more = skip(COMMA);
      if (!more && at < header.length) return undefined;
      const element = elementOf(pairs);
      if (!element) return undefined;
      if (pairs.size > 0) elements.push(element);
      pairs = new Map();
      if (!more) return elements;
    }
  }
}

/** @returns undefined if `for` is none */
function elementOf(pairs: ReadonlyMap<string, string>): ForwardedElement | undefined {
  const written = pairs.get('for');
  const node = written === undefined ? { address: undefined } : parseNode(written);
  return node && { ...node, host: pairs.get('host'), proto: pairs.get('proto') };
}

/**
 * Reads who sent a request, as a proxy names it (RFC 7239, section 6).
 * @returns with the address, unless it is hidden; undefined if the text names nobody
 */
export function parseNode(text: string): Pick<ForwardedElement, 'address'> | undefined {
  const [isNode, v4, v6] = NODE.exec(text) ?? [];
  const address = v4 ?? v6;
  if (isNode === undefined || (address !== undefined && isIP(address) !== (v4 === undefined ? 6 : 4)))
    return undefined;
  return { address };
}
