import { createHash } from 'node:crypto';
import { type Answer, send } from '../http/support/client.js';

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

/** A call with a key; a body is bytes, or is sent as JSON. */
type Call = (key: string, method: string, path: string, body?: Buffer | object) => Promise<Answer>;

/** @param url of the service, which may not run yet */
export function callsTo(url: () => string): Call {
  return (key, method, path, body) => {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return send(url(), { method, path, headers: bearer(key), ...(bytes !== undefined && { body: bytes }) });
  };
}
