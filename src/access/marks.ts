import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import type { Action, Scope } from '../model/access.js';
import type { TicketAction } from '../model/ticket.js';

/** What a route asks for. */
export type Mark = 'public' | { scope: Scope; action: Action | undefined };

/** The metadata of routes that has their mark. */
export const MARK = 'access';

/** That a route is open to whoever is for its avatar only. */
export interface OwnMark {
  /** What a ticket has to be for; undefined: no ticket does. */
  ticket?: TicketAction;
}

/** The metadata of routes that has it. */
export const OWN_MARK = 'own';

/** The fields of an operation in the OpenAPI document that say the same. */
export const SCOPE_EXTENSION = 'x-scope';
export const OWN_EXTENSION = 'x-own';

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

/** Opens a route that `@Needs()` a scope to tokens of the avatar's own user as well. */
export const OrOwner = () => orOwner({});

/** Opens it to tickets, too. @param action that the ticket has to be for */
export const OrTicket = (action: TicketAction) => orOwner({ ticket: action });

function orOwner(mark: OwnMark) {
  return applyDecorators(SetMetadata(OWN_MARK, mark), ApiExtension(OWN_EXTENSION, mark));
}
