import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional, type ApiPropertyOptions } from '@nestjs/swagger';
import { ValidateBy, ValidateIf, type ValidationOptions } from 'class-validator';
import { isHash, isId, isVersion } from '../model/keys.js';

/**
 * A rule of our own for a field.
 * @param accepts gets the value, or with `each` every entry of the list, and the body it belongs to
 */
export function Must(
  accepts: (value: unknown, body: never) => boolean,
  options: ValidationOptions & { message: string },
): PropertyDecorator {
  const validate = (value: unknown, args?: { object: object }) => accepts(value, args?.object as never);
  return ValidateBy({ name: options.message, validator: { validate } }, options);
}

/** A field whose rules count only if it is given. Unlike with `IsOptional`, null is given. */
export const OptionalField = (schema: ApiPropertyOptions) =>
  applyDecorators(
    ApiPropertyOptional(schema),
    ValidateIf((_, value) => value !== undefined),
  );

export const IsVersion = (message: string) =>
  Must((version) => typeof version === 'string' && isVersion(version), { message });

export const EachIsId = () =>
  Must((id) => typeof id === 'string' && isId(id), {
    each: true,
    message:
      'One of the ids is not an avatar id: 1 to 80 characters of A-Z a-z 0-9 . _ ~ @ | : + = - of which the first is a letter or digit, and not `lookup`.',
  });

/** The hashes of e-mail addresses, in any case. */
export const EachIsHash = () =>
  Must((hash) => typeof hash === 'string' && isHash(hash.toLowerCase()), {
    each: true,
    message: 'One of the hashes is neither an MD5 nor a SHA-256 in hex. Correct or remove it.',
  });

/** The length of a list; 0 if it is none. */
export function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}
