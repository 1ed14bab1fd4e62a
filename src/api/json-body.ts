import type { IncomingMessage } from 'node:http';
import {
  type ArgumentMetadata,
  type ExecutionContext,
  Injectable,
  type PipeTransform,
  createParamDecorator,
} from '@nestjs/common';
import { ValidateBy, type ValidationOptions, validateSync } from 'class-validator';
import { CodedError, type ErrorCode } from '../errors.js';
import { JsonReceiver } from '../uploads/json-receiver.js';

/** A class that describes a small JSON body with the decorators of class-validator. It must declare every field it has. */
export interface JsonBodyClass<T extends object = object> {
  new (): T;
  /** The code of a body that breaks a rule. */
  readonly code: ErrorCode;
  /** The most bytes that the body may have. */
  readonly maxBytes: number;
}

/** Receives the body and checks it against the class of the parameter, once the guard has let the request pass. */
@Injectable()
export class JsonBodyPipe implements PipeTransform<IncomingMessage, Promise<object>> {
  constructor(private readonly receiver: JsonReceiver) {}

  /** @throws CodedError the `code` of the class, and what `JsonReceiver.receive` throws */
  async transform(request: IncomingMessage, { metatype }: ArgumentMetadata): Promise<object> {
    const Body = metatype as unknown as JsonBodyClass;
    return checkBody(Body, await this.receiver.receive(request, Body.maxBytes));
  }
}

const RawRequest = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  return context.switchToHttp().getRequest<{ raw: IncomingMessage }>().raw;
});

/** Gives a handler the JSON body of the request as an instance of the parameter's class, a {@link JsonBodyClass}. */
export const JsonBody = () => RawRequest(JsonBodyPipe);

/**
 * Checks parsed JSON. Fields that the class does not have are ignored.
 * @throws CodedError the `code` of the class, with the field at fault as `parameter`
 */
export function checkBody<T extends object>(Body: JsonBodyClass<T>, json: unknown): T {
  const body = new Body();
  // Not by class-transformer: it walks through everything that the client sent, however deep.
  for (const field of Object.keys(body)) {
    const value = ownValue(json, field);
    if (value !== undefined) Object.assign(body, { [field]: value });
  }
  const [fault] = validateSync(body, {
    stopAtFirstError: true,
    validationError: { target: false, value: false },
  });
  if (fault === undefined) return body;
  const [detail = ''] = Object.values(fault.constraints ?? {});
  throw new CodedError(Body.code, detail, { parameter: fault.property });
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

/** The length of a list; 0 if it is none. */
export function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}
