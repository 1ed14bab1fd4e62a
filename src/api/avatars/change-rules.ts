import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../../access/caller.js';
import type { ChangeRules } from '../../avatars/avatar.changes.js';
import { preconditionOf } from '../../http/conditional.js';

/**
 * What has to hold for a change of a picture: its If-Match or If-None-Match, no lock unless the caller has
 * `admin`, and a ticket that still holds.
 * @throws CodedError `invalid_precondition`
 */
export function changeRulesOf(headers: IncomingHttpHeaders, caller: Caller): ChangeRules {
  return {
    precondition: preconditionOf(headers),
    unlessLocked: !caller.may('admin'),
    ticket: caller.ticket?.name,
  };
}
