import type { Rate } from '../model/quota.js';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const RATE = /^([1-9]\d{0,5})\/([1-9]\d{0,5})([smhd])$/;

/** A month, in s. No longer time is counted. */
const LONGEST = 31 * SECONDS.d;

/**
 * Reads a setting like `20/1h`: so many within so many seconds, minutes, hours or days.
 * @returns undefined if it is none
 */
export function readRate(text: string): Rate | undefined {
  const [, count, length, unit] = RATE.exec(text) ?? [];
  if (unit === undefined) return undefined;
  const seconds = Number(length) * SECONDS[unit as keyof typeof SECONDS];
  return seconds > LONGEST ? undefined : { count: Number(count), seconds };
}
