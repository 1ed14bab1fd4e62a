import { CodedError, type ErrorCode } from '../errors.js';
import { isHash } from '../model/keys.js';

/** A list that a body of JSON may have. @throws CodedError with the code where it is something else */
export function listOf(list: unknown, parameter: string, code: ErrorCode): unknown[] {
  if (list === undefined) return [];
  if (Array.isArray(list)) return list;
  throw new CodedError(code, `The parameter ${parameter} is a list.`, { parameter });
}

/** A hash of the list `hashes`, in lower case. @throws CodedError with the code where it is none */
export function hashOf(hash: unknown, code: ErrorCode): string {
  const text = typeof hash === 'string' ? hash.toLowerCase() : '';
  if (isHash(text)) return text;
  const detail = 'One of the hashes is neither an MD5 nor a SHA-256 in hex.';
  throw new CodedError(code, detail, { parameter: 'hashes' });
}
