import type { Fault, Operation, Rule } from '../../support/fault-proxy.js';
import type { Call, Outcome } from './calls.js';

/**
 * `once`: the first such request only; `always`: every such request, while others pass; `everything`: from the first such
 * request on, every request of whatever kind.
 */
export const SCOPES = ['once', 'always', 'everything'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Row {
  name: string;
  fault: Fault;
  /** Only a deadline reveals it: HANGING_TIMEOUT_MS. */
  hangs?: true;
  /** It is tried in `npm test` too. */
  inGate?: true;
  /** The only operation whose replies it can affect. */
  only?: Operation;
  /** The calls that it can spoil; by default all. */
  affects?(call: Call): boolean;
  expected(call: Call, scope: Scope): Outcome;
}

/** The deadlines of a call that hangs, and of one of its requests. Far above any noise of the machine. */
export const HANGING_TIMEOUT_MS = 10_000;
export const ATTEMPTS = 3;
const REQUEST_TIMEOUT_MS = HANGING_TIMEOUT_MS / (ATTEMPTS + 1);

/** The requests that the scope spoils. */
export function ruleOf({ request }: Call, fault: Fault, scope: Scope): Rule {
  if (scope === 'everything') return { ...request, fault, thenAll: true };
  return scope === 'once' ? { ...request, fault, times: 1 } : { ...request, fault };
}

const isStore = ({ kind }: Call) => kind === 'store' || kind === 'conditional store';
const hasBody = ({ kind, name }: Call) => kind === 'list' || name === 'get';

/** The server has not seen the request. If the SDK repeats it, it succeeds; otherwise it is an outage. */
const lost = (_: Call, scope: Scope): Outcome => (scope === 'once' ? 'ok' : 'unavailable');

/** The server has carried out the request. Reading back finds the write. */
const done = (call: Call, scope: Scope): Outcome =>
  scope === 'once' || (scope === 'always' && isStore(call)) ? 'ok' : 'unavailable';

const refused = (call: Call, scope: Scope): Outcome =>
  call.hasAnotherWay && scope !== 'everything' ? 'ok' : 'refused';

/** XML that is cut off. The SDK does not repeat a reply that it cannot read. */
const unreadable = (): Outcome => 'unavailable';

/**
 * A lost race that nobody else can have won. An If-Match is the caller's to repeat, after reading again; that a key is taken is
 * not believed where nothing is seen there, and is tried again.
 */
const conflict = (call: Call, scope: Scope): Outcome => {
  if (call.name === 'store ifMatch') return 'precondition failed';
  return isStore(call) && scope === 'once' ? 'ok' : 'unavailable';
};

const skewed: Fault = { type: 'error', status: 403, code: 'RequestTimeTooSkewed' };
const slowDown: Fault = { type: 'error', status: 503, code: 'SlowDown' };

export const FAULTS: Row[] = [
  { name: 'refused', fault: { type: 'refused' }, inGate: true, expected: () => 'unavailable' },
  { name: 'reset before the request', fault: { type: 'reset-request', afterBytes: 0 }, expected: lost },
  {
    name: 'reset in the middle of the request',
    fault: { type: 'reset-request', afterBytes: 10_000 },
    affects: isStore,
    expected: lost,
  },
  {
    name: 'commit, then drop the reply',
    fault: { type: 'reset-reply', afterBytes: 0 },
    inGate: true,
    expected: done,
  },
  { name: 'reset in the head of the reply', fault: { type: 'reset-reply', afterBytes: 20 }, expected: done },
  {
    name: 'reset in the body of the reply',
    fault: { type: 'reset-reply', afterBytes: 500 },
    affects: hasBody,
    expected: lost,
  },
  { name: 'black hole', fault: { type: 'black-hole' }, hangs: true, expected: lost },
  {
    name: 'commit, then black hole',
    fault: { type: 'black-hole', committed: true },
    hangs: true,
    expected: done,
  },
  {
    name: 'one byte a second',
    fault: { type: 'trickle', from: 'head', everyMs: 1000 },
    hangs: true,
    expected: done,
  },
  {
    name: 'a body byte by byte, each of them too late',
    fault: { type: 'trickle', from: 'body', everyMs: 1.2 * REQUEST_TIMEOUT_MS },
    hangs: true,
    affects: hasBody,
    expected: lost,
  },
  {
    name: 'a body in drops, none of them late enough to be missed',
    fault: { type: 'trickle', from: 'body', everyMs: REQUEST_TIMEOUT_MS / 10 },
    hangs: true,
    affects: hasBody,
    // Only the deadline ends it, and leaves no time for another try.
    expected: () => 'unavailable',
  },
  { name: '500', fault: { type: 'error', status: 500, code: 'InternalError' }, expected: lost },
  {
    name: 'commit, then 500',
    fault: { type: 'error', status: 500, code: 'InternalError', committed: true },
    expected: done,
  },
  { name: '503 SlowDown', fault: slowDown, inGate: true, expected: lost },
  { name: '503 SlowDown in truncated XML', fault: { ...slowDown, truncated: true }, expected: lost },
  { name: '403 RequestTimeTooSkewed', fault: skewed, expected: refused },
  {
    name: '404 in truncated XML',
    fault: { type: 'error', status: 404, code: 'NoSuchBucket', truncated: true },
    affects: ({ request }) => request.operation !== 'HeadObject',
    expected: refused,
  },
  {
    name: 'truncated XML',
    fault: { type: 'truncated' },
    only: 'ListObjectsV2',
    affects: ({ kind }) => kind === 'list',
    expected: unreadable,
  },
  { name: 'short body', fault: { type: 'short-body' }, affects: hasBody, expected: lost },
  {
    name: 'a body with another byte',
    fault: { type: 'other-byte' },
    hangs: true,
    inGate: true,
    // The body of a listing states no checksum.
    affects: ({ name }) => name === 'get',
    expected: (_, scope) => (scope === 'once' ? 'ok' : 'damaged'),
  },
  {
    name: '409',
    fault: { type: 'error', status: 409, code: 'ConditionalRequestConflict' },
    expected: conflict,
  },
  {
    name: '412',
    fault: { type: 'error', status: 412, code: 'PreconditionFailed' },
    inGate: true,
    // The probe begins again with another object.
    expected: (call, scope) => (call.kind === 'probe' && scope === 'once' ? 'ok' : conflict(call, scope)),
  },
  {
    name: 'commit, then 412',
    fault: { type: 'error', status: 412, code: 'PreconditionFailed', committed: true },
    affects: isStore,
    expected: (call, scope) => (call.name === 'store ifMatch' ? 'precondition failed' : done(call, scope)),
  },
];
