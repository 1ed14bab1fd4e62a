import { createHash } from 'node:crypto';

/** An item of API_KEYS for a key that is the same text as its name. */
export function item(name: string, scopes: string, prefix?: string): string {
  return [name, scopes, sumOf(name), ...(prefix === undefined ? [] : [prefix])].join(':');
}

export function sumOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The header with a key. */
export function bearer(key: string): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}
