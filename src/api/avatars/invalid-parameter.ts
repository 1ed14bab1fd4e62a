import { CodedError } from '../../errors.js';

/**
 * The refusal of a parameter that has a code of its own.
 * @param detail what is wrong and what to send, for people
 */
export function invalidParameter(
  parameter: 'alt' | 'animated' | 'before' | 'crop' | 'erase' | 'format' | 'rotate' | 'size',
  detail: string,
): CodedError {
  return new CodedError(`invalid_${parameter}`, detail, { parameter });
}
