/**
 * Every code that a client may see. `http/problem.ts` gives each its status, `docs/api.md` says what to do.
 */
export const ERROR_CODES = [
  'alias_taken',
  'avatar_locked',
  'avatar_not_found',
  'bad_request',
  'busy',
  'empty_file',
  'foreign_origin',
  'image_too_large',
  'insufficient_scope',
  'internal',
  'invalid_aliases',
  'invalid_alt',
  'invalid_animated',
  'invalid_before',
  'invalid_boundary',
  'invalid_crop',
  'invalid_default',
  'invalid_erase',
  'invalid_form',
  'invalid_format',
  'invalid_hash',
  'invalid_host',
  'invalid_id',
  'invalid_json',
  'invalid_lock',
  'invalid_lookup',
  'invalid_precondition',
  'invalid_rotate',
  'invalid_sheet',
  'invalid_size',
  'invalid_ticket',
  'invalid_version',
  'issuer_unavailable',
  'manifest_unreadable',
  'method_not_allowed',
  'no_file',
  'no_hash',
  'object_damaged',
  'outbox_full',
  'picture_unreadable',
  'precondition_failed',
  'rate_limited',
  'rendition_not_found',
  'route_not_found',
  'sheet_too_large',
  'storage_full',
  'storage_unavailable',
  'ticket_expired',
  'ticket_outdated',
  'ticket_used',
  'tickets_disabled',
  'token_expired',
  'too_many_files',
  'truncated_body',
  'unauthorized',
  'unexpected_field',
  'unreadable_image',
  'unsatisfiable_range',
  'unsupported_encoding',
  'unsupported_image',
  'upload_timeout',
  'upload_too_large',
  'version_not_found',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface ErrorDetails {
  /** The actual error, for the log and never for the client. */
  cause?: unknown;
  /** Whether the cause is logged already: requests that fail of it do not log it again. */
  logged?: true;
  /** The name of the request parameter that is wrong. */
  parameter?: string;
  /** Seconds after which trying again makes sense, if it differs from what the code implies. */
  retryAfter?: number;
  /** What a client may want to know beside the code, by the names that `ProblemAnswer` describes. */
  members?: Readonly<Record<string, unknown>>;
}

/** An error whose `code` and `message` are written for the client. It knows nothing of HTTP. */
export class CodedError extends Error {
  readonly parameter: string | undefined;
  readonly logged: boolean;
  readonly retryAfter: number | undefined;
  readonly members: Readonly<Record<string, unknown>> | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.parameter = details.parameter;
    this.logged = details.logged ?? false;
    this.retryAfter = details.retryAfter;
    this.members = details.members;
  }
}
