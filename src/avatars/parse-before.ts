import { CodedError } from '../errors.js';
import type { Instant } from '../model/manifest.js';

/** How far ahead the time of a receipt may be, in ms: it is by the clock of the replica that wrote it. */
const CLOCKS_APART_MS = 86_400_000;

/**
 * Parses the instant up to which an erasure erases.
 * @throws CodedError `invalid_before` unless it is written as in a receipt, and at most a day ahead of our
 * clock
 */
export function parseBefore(text: unknown): Instant {
  const at = typeof text === 'string' ? Date.parse(text) : NaN;
  if (!(at <= Date.now() + CLOCKS_APART_MS) || new Date(at).toISOString() !== text) {
    throw new CodedError(
      'invalid_before',
      'Send the erasedAt of a receipt, such as 2026-01-31T12:00:00.000Z. It must not be more than a day in the future.',
      { parameter: 'before' },
    );
  }
  return text;
}
