import type { IncomingHttpHeaders } from 'node:http';

/** Reads what a client's headers ask for. */
export function preferencesOf({ headers }: { headers: IncomingHttpHeaders }): {
  accept: string | undefined;
  lessMotion: boolean;
} {
  return { accept: headers.accept, lessMotion: wantsLess(headers) };
}

/** Whether a client asks for less motion, or less data. */
export function wantsLess(headers: IncomingHttpHeaders): boolean {
  // The specification puts the value in quotes (https://wicg.github.io/user-preference-media-features-headers/), Chromium does not.
  const motion = headers['sec-ch-prefers-reduced-motion'];
  return motion === 'reduce' || motion === '"reduce"' || headers['save-data'] === 'on';
}
