import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Action, Scope } from '../model/access.js';
import type { TicketAction } from '../model/ticket.js';

/** What a route asks for. */
export type Mark = 'public' | { scope: Scope; action: Action | undefined };

/** The metadata of routes that has their mark. */
export const MARK = 'access';

/** The metadata of routes that has what a ticket has to be for. */
export const TICKET_MARK = 'ticket';

/** The fields of an operation in the OpenAPI document that say the same. */
export const SCOPE_EXTENSION = 'x-scope';
export const TICKET_EXTENSION = 'x-ticket';

/** Opens a route, or all routes of a controller, to everybody. */
export const Public = () => SetMetadata<string, Mark>(MARK, 'public');

/**
 * Opens a route to callers with a scope. Without this mark and `@Public()`, a route takes `admin`.
 * @param action what the route changes or hands out, for the log; undefined: nothing
 */
export const Needs = (scope: Scope, action?: Action) =>
  applyDecorators(
    SetMetadata<string, Mark>(MARK, { scope, action }),
    ApiBearerAuth(),
    ApiExtension(SCOPE_EXTENSION, scope),
  );

/** Opens a route that `@Needs()` a scope to tickets as well. @param action that the ticket has to be for */
export const OrTicket = (action: TicketAction) =>
  applyDecorators(SetMetadata(TICKET_MARK, action), ApiExtension(TICKET_EXTENSION, action));
