/**
 * What kept `fetch` from an answer, for a sentence about the host. The error's own words are left out: they
 * may quote what was sent.
 * @param ms that it was allowed to take
 */
export function faultOfFetch({ name, cause }: Error, ms: number): string {
  if (name === 'TimeoutError') return `did not answer within ${ms} ms`;
  const { code = 'no connection' } = (cause ?? {}) as { code?: string };
  return `cannot be reached: ${code}`;
}
