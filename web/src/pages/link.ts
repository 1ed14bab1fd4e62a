import { readTicket } from '../tickets.js';

/** What a link to the page says. */
export interface Link {
  ticket: string;
  /** The avatar. */
  id: string;
  /** What the ticket is for, separated by spaces. */
  may: string;
  /** Of the pages that are told of a change; undefined: none is. */
  origin: string | undefined;
  /** Where the browser goes after a change; undefined: it stays. */
  returnTo: URL | undefined;
  /** Of the page, as a language tag; undefined: the browser's. */
  language: string | undefined;
  shape: 'round' | 'square';
}

/**
 * Reads the fragment of a link. Nobody has checked its ticket, and whoever made the link may have made the
 * ticket up: nothing is done with it before the service has accepted a change.
 * @param fragment `#ticket=...`, and if wanted `return_to`, `lang` and `shape`
 * @throws Error the link can't be used
 */
export function readLink(fragment: string): Link {
  const fields = new URLSearchParams(fragment.slice(1));
  const { text, id, may, origin } = readTicket(fields.get('ticket') ?? '');
  return {
    ticket: text,
    id,
    may: may.join(' '),
    origin,
    returnTo: readReturn(fields.get('return_to'), origin),
    language: fields.get('lang') ?? undefined,
    shape: fields.get('shape') === 'square' ? 'square' : 'round',
  };
}

/** Nobody is sent to another origin than that of the ticket. */
function readReturn(address: string | null, origin: string | undefined): URL | undefined {
  if (address === null) return undefined;
  const url = new URL(address);
  // `javascript:` has the origin "null", which a made-up ticket may name.
  if (!/^https?:$/.test(url.protocol) || url.origin !== origin) {
    throw new Error(`return_to is not at ${origin ?? 'the origin of the ticket, which has none'}`);
  }
  return url;
}
