import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Action, Scope } from '../model/access.js';

/** What a route asks for. */
export type Mark = 'public' | { scope: Scope; action: Action | undefined };

/** The metadata of routes that has their mark. */
export const MARK = 'access';

/** The field of an operation in the OpenAPI document that names the scope. */
export const SCOPE_EXTENSION = 'x-scope';

/** Opens a route, or all routes of a controller, to everybody. */
export const Public = () => SetMetadata<string, Mark>(MARK, 'public');

/**
 * Opens a route to callers with a scope. Without this mark and `@Public()`, a route takes `admin`.
 * @param action what the route changes, for the log; undefined: nothing
 */
export const Needs = (scope: Scope, action?: Action) =>
  applyDecorators(
    SetMetadata<string, Mark>(MARK, { scope, action }),
    ApiBearerAuth(),
    ApiExtension(SCOPE_EXTENSION, scope),
  );
