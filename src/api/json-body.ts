import type { IncomingMessage } from 'node:http';
import {
  type ArgumentMetadata,
  type ExecutionContext,
  Injectable,
  type PipeTransform,
  createParamDecorator,
} from '@nestjs/common';
import { validateSync } from 'class-validator';
import { CodedError, type ErrorCode } from '../errors.js';
import { JsonReceiver } from '../uploads/json-receiver.js';

/** A class that describes JSON with the decorators of class-validator. It must declare every field it has. */
export interface CheckedClass<T extends object = object> {
  new (): T;
  /** The code of JSON that breaks a rule. */
  readonly code: ErrorCode;
}

/** A class that describes a small JSON body. */
export interface JsonBodyClass extends CheckedClass {
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
    return check(Body, await this.receiver.receive(request, Body.maxBytes));
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
export function check<T extends object>(Class: CheckedClass<T>, json: unknown): T {
  const checked = new Class();
  // Not by class-transformer: it walks through everything that the client sent, however deep.
  for (const field of Object.keys(checked)) {
    const value = ownValue(json, field);
    if (value !== undefined) Object.assign(checked, { [field]: value });
  }
  const [fault] = validateSync(checked, {
    stopAtFirstError: true,
    validationError: { target: false, value: false },
  });
  if (fault === undefined) return checked;
  const [detail = ''] = Object.values(fault.constraints ?? {});
  throw new CodedError(Class.code, detail, { parameter: fault.property });
}

function ownValue(json: unknown, field: string): unknown {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, field)) return undefined;
  return (json as Record<string, unknown>)[field];
}
