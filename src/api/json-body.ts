import type { IncomingMessage } from 'node:http';
import {
  type ArgumentMetadata,
  type ExecutionContext,
  Injectable,
  type PipeTransform,
  createParamDecorator,
} from '@nestjs/common';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { type CheckedClass, check } from './rules.js';

/** A class that describes a small JSON body. */
export interface JsonBodyClass extends CheckedClass {
  /** The most bytes that the body may have. */
  readonly maxBytes: number;
}

/**
 * Receives the body and checks it against the class of the parameter, once the guard has let the request
 * pass.
 */
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

/**
 * Gives a handler the JSON body of the request as an instance of the parameter's class, a
 * {@link JsonBodyClass}. Not `@Body()` with a ValidationPipe: Fastify would read and parse the body before
 * the guard has looked for a key, with one limit for all calls and no deadline that is fair to slow clients.
 * So `app.ts` leaves every body unread, and each call receives its own with its own limit.
 */
export const JsonBody = () => RawRequest(JsonBodyPipe);
