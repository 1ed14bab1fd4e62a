import { type ExecutionContext, createParamDecorator } from '@nestjs/common';
import { Caller } from './caller.js';

const callers = new WeakMap<object, Caller>();

export function setCaller(request: object, caller: Caller): void {
  callers.set(request, caller);
}

/** Who sent a request that the guard has let pass. */
export function callerOf(request: object): Caller {
  return callers.get(request) ?? Caller.STRANGER;
}

/** Gives a handler the {@link Caller} that the guard has let pass. */
export const CalledBy = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  return callerOf(context.switchToHttp().getRequest<object>());
});
