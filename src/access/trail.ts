import type { Action, By } from '../model/access.js';

/** What a request changes and who sent it, for its line in the log. */
export interface Trail {
  by?: By | undefined;
  action?: Action | undefined;
  /** The avatar. */
  id?: string;
  /** What was made, shown or removed. */
  version?: string;
  /** The name of the ticket that was made. */
  ticket?: string;
  /** What came of it, if the status does not say it. */
  outcome?: string;
  /** The other avatars that it changed, or the avatars of a call about many. */
  parts?: readonly TrailPart[];
  /** Of the client, if the log has it. */
  address?: string;
}

export interface TrailPart {
  id: string;
  status: number;
  code?: string | undefined;
  outcome?: string;
}

const trails = new WeakMap<object, Trail>();

/** The trail of a request, to be written to while it is handled. */
export function trailOf(request: object): Trail {
  const known = trails.get(request);
  if (known) return known;
  const trail: Trail = {};
  trails.set(request, trail);
  return trail;
}
