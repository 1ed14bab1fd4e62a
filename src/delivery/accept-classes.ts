import { acceptClass } from './negotiation.js';

/** How many headers are remembered. There are a few dozen browsers. */
const MAX_HEADERS = 500;

/** Longer headers are parsed each time, so that nobody can fill our memory. */
const MAX_CHARACTERS = 512;

/**
 * Remembers `acceptClass` for the headers that come again and again: to parse one takes as long as a tenth of
 * a hot answer.
 */
export class AcceptClasses {
  private readonly known = new Map<string, string>();

  classOf(accept = ''): string {
    const known = this.known.get(accept);
    if (known !== undefined) return known;
    const found = acceptClass(accept);
    if (accept.length > MAX_CHARACTERS) return found;
    if (this.known.size >= MAX_HEADERS) this.known.clear();
    this.known.set(accept, found);
    return found;
  }
}
