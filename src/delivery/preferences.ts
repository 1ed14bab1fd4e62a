import type { IncomingHttpHeaders } from 'node:http';

/** The header by which a client says that its page is light or dark. */
export const SCHEME_HEADER = 'Sec-CH-Prefers-Color-Scheme';

/** What a client's headers ask for. */
export interface Preferences {
  accept: string | undefined;
  /** Less motion, or less data. */
  lessMotion: boolean;
  /** Colors for a dark page. */
  dark: boolean;
}

export function preferencesOf({ headers }: { headers: IncomingHttpHeaders }): Preferences {
  return { accept: headers.accept, lessMotion: wantsLess(headers), dark: wantsDark(headers) };
}

// The specification puts the values of hints in quotes
// (https://wicg.github.io/user-preference-media-features-headers/), Chromium does not. An item may have
// parameters, and those that nobody knows are ignored (RFC 9651, section 3.1.2).
const REDUCE = /^ *(?:reduce|"reduce") *(?:;|$)/;
const DARK = /^ *(?:dark|"dark") *(?:;|$)/;

/** Whether a client asks for less motion, or less data. */
export function wantsLess(headers: IncomingHttpHeaders): boolean {
  const motion = headers['sec-ch-prefers-reduced-motion'];
  return (motion !== undefined && REDUCE.test(String(motion))) || headers['save-data'] === 'on';
}

/** Whether a client asks for colors for a dark page. */
export function wantsDark(headers: IncomingHttpHeaders): boolean {
  const scheme = headers['sec-ch-prefers-color-scheme'];
  return scheme !== undefined && DARK.test(String(scheme));
}
