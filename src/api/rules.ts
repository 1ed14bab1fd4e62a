import { applyDecorators } from '@nestjs/common';
import {
  ApiPropertyOptional,
  type ApiPropertyOptions,
  ApiSchema,
  type ApiSchemaOptions,
} from '@nestjs/swagger';
import { ValidateBy, ValidateIf, type ValidationOptions, validateSync } from 'class-validator';
import { CodedError, type ErrorCode } from '../errors.js';
import { isHash, isId, isVersion } from '../model/keys.js';

/** A class that describes JSON with the decorators of class-validator. It must declare every field it has. */
export interface CheckedClass<T extends object = object> {
  new (): T;
  /** The code of JSON that breaks a rule. */
  readonly code: ErrorCode;
}

/**
 * Checks parsed JSON. A field that the class does not have is refused: it may be a misspelt one that matters.
 * @throws CodedError the `code` of the class, with the field at fault as `parameter`
 */
export function check<T extends object>(Class: CheckedClass<T>, json: unknown): T {
  const checked = new Class();
  assertKnown(Class, json, Object.keys(checked));
  // Not by class-transformer: it walks through everything that the client sent, however deep.
  for (const field of Object.keys(checked)) {
    const value = ownValue(json, field);
    if (value !== undefined) Object.assign(checked, { [field]: value });
  }
  const [fault] = validateSync(checked, {
    stopAtFirstError: true,
    validationError: { target: false, value: false },
  });
  if (fault !== undefined) {
    const [detail = ''] = Object.values(fault.constraints ?? {});
    throw new CodedError(Class.code, detail, { parameter: fault.property });
  }
  if (isObject(json)) return checked;
  throw new CodedError(Class.code, `Send a JSON object. Its fields are ${Object.keys(checked).join(', ')}.`);
}

/** The most characters of a field's name that an error repeats. */
const MAX_NAME = 80;

function assertKnown({ code }: CheckedClass, json: unknown, fields: readonly string[]): void {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return;
  const stray = Object.keys(json)
    .find((name) => !fields.includes(name))
    ?.slice(0, MAX_NAME);
  if (stray === undefined) return;
  const detail = `There is no field ${JSON.stringify(stray)}. The fields are ${fields.join(', ')}.`;
  throw new CodedError(code, detail, { parameter: stray });
}

function ownValue(json: unknown, field: string): unknown {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, field)) return undefined;
  return (json as Record<string, unknown>)[field];
}

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

/**
 * Describes what `check` does with a body: a field that its class does not have is refused.
 * @param more that OpenAPI says of the body
 */
export const NoOtherFields = (more: { minProperties?: number } = {}) =>
  ApiSchema({ additionalProperties: false, ...more } as ApiSchemaOptions);

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
      'One of the ids is not an avatar id: 1 to 80 characters of A-Z a-z 0-9 . _ ~ @ | : + = - of which the first is a letter, a digit, _ or -, and not `lookup`.',
  });

/** The hashes of e-mail addresses, in any case. */
export const EachIsHash = () =>
  Must((hash) => typeof hash === 'string' && isHash(hash.toLowerCase()), {
    each: true,
    message: 'One of the hashes is neither an MD5 nor a SHA-256 in hex. Correct or remove it.',
  });

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How many different entries a list has; 0 if it is none. */
export function distinctOf(list: unknown): number {
  return Array.isArray(list) ? new Set(list).size : 0;
}

/** The length of a list; 0 if it is none. */
export function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}
