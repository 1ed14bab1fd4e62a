import { CodedError } from '../errors.js';

/** How many uploads within how many seconds. */
export interface Rate {
  count: number;
  seconds: number;
}

/** What uploads are counted by. */
export type Counted = 'avatar' | 'credential' | 'address';

/** What is left of a rate. */
export interface Quota {
  counted: Counted;
  rate: Rate;
  remaining: number;
  /** Seconds until more remains; absent if nothing is used. */
  reset?: number;
}

const WHOSE: Record<Counted, string> = {
  avatar: 'New pictures of this avatar',
  credential: 'Uploads with this key or ticket',
  address: 'Uploads from this address',
};

/** An upload that a rate leaves no room for. */
export class RateLimited extends CodedError {
  constructor(readonly quota: Quota) {
    const { counted, rate, reset = rate.seconds } = quota;
    const limit = `${WHOSE[counted]} are limited to ${rate.count} in ${durationOf(rate.seconds)}.`;
    super('rate_limited', `${limit} Try again in ${durationOf(reset)}.`, { retryAfter: reset });
  }
}

/** @param quota undefined: there is no limit @throws RateLimited if nothing is left */
export function assertRoom(quota: Quota | undefined): void {
  if (quota?.remaining === 0) throw new RateLimited(quota);
}

/** In the largest unit that gives a whole number. */
function durationOf(seconds: number): string {
  const units = [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1],
  ] as const;
  const [name, length] = units.find((unit) => seconds % unit[1] === 0) ?? ['second', 1];
  const count = seconds / length;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
