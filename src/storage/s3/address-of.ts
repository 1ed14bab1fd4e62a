/**
 * The address of an endpoint in one spelling, without user, password and query.
 * @throws Error if it is no HTTP URL
 */
export function addressOf(endpoint: string): string {
  const { protocol, host, pathname } = new URL(endpoint);
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`${protocol} is not HTTP`);
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
}
