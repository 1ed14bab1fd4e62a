/** What the service says, or how a call ended without an answer of it: https://www.rfc-editor.org/rfc/rfc9457 */
export type ErrorCode =
  | 'alias_taken'
  | 'avatar_locked'
  | 'avatar_not_found'
  | 'bad_request'
  | 'busy'
  | 'empty_file'
  | 'foreign_origin'
  | 'image_too_large'
  | 'insufficient_scope'
  | 'internal'
  | 'invalid_aliases'
  | 'invalid_alt'
  | 'invalid_animated'
  | 'invalid_before'
  | 'invalid_boundary'
  | 'invalid_crop'
  | 'invalid_default'
  | 'invalid_erase'
  | 'invalid_form'
  | 'invalid_format'
  | 'invalid_hash'
  | 'invalid_host'
  | 'invalid_id'
  | 'invalid_json'
  | 'invalid_lock'
  | 'invalid_lookup'
  | 'invalid_precondition'
  | 'invalid_rotate'
  | 'invalid_sheet'
  | 'invalid_size'
  | 'invalid_ticket'
  | 'invalid_version'
  | 'issuer_unavailable'
  | 'manifest_unreadable'
  | 'method_not_allowed'
  | 'no_file'
  | 'no_hash'
  | 'object_damaged'
  | 'outbox_full'
  | 'picture_unreadable'
  | 'precondition_failed'
  | 'rate_limited'
  | 'rendition_not_found'
  | 'route_not_found'
  | 'sheet_too_large'
  | 'storage_full'
  | 'storage_unavailable'
  | 'ticket_expired'
  | 'ticket_outdated'
  | 'ticket_used'
  | 'tickets_disabled'
  | 'token_expired'
  | 'too_many_files'
  | 'truncated_body'
  | 'unauthorized'
  | 'unexpected_field'
  | 'unreadable_image'
  | 'unsatisfiable_range'
  | 'unsupported_encoding'
  | 'unsupported_image'
  | 'upload_timeout'
  | 'upload_too_large'
  | 'version_not_found'
  /** The connection was refused or lost. */
  | 'no_connection'
  /** There was no answer within `timeoutMs`. */
  | 'timeout'
  /** Somebody answers, but it is not Visage: a proxy, or another service under `baseUrl`. */
  | 'unexpected_answer';

/** The body of a refusal. */
export interface Problem {
  code: ErrorCode;
  /** What is wrong, in English, for developers. */
  detail: string;
  /** Of HTTP. */
  status?: number;
  /** The parameter or field that is wrong. */
  parameter?: string;
  /** After `precondition_failed`: the version that is current, or null. */
  current?: string | null;
  /** After `alias_taken`: hashes that stand for other avatars, and for which. */
  taken?: Record<string, string | null>;
  /** After `avatar_locked`: why, for the person whose avatar it is. */
  reason?: string;
  /** To find it in the log of the service. */
  requestId?: string;
}

const LARGE = 'This picture is too large. Choose a smaller one.';
const UNREADABLE = 'This file can’t be opened as a picture. Choose another one.';

/** What is the user's to mend. */
const FOR_USERS: Partial<Record<ErrorCode, string>> = {
  empty_file: UNREADABLE,
  image_too_large: LARGE,
  invalid_alt: 'The description is too long, or has characters that can’t be used.',
  no_file: 'Choose a picture.',
  rate_limited: 'You have changed your picture too often. Try again later.',
  unreadable_image: UNREADABLE,
  unsupported_image: 'This kind of file can’t be used. Choose a JPEG, PNG, WebP or GIF.',
  upload_too_large: LARGE,
};

/** Why a call failed. */
export class VisageError extends Error {
  override readonly name = 'VisageError';
  readonly code: ErrorCode;
  /** Of HTTP; undefined if there was no answer. */
  readonly status: number | undefined;
  /** What to show the user, in English; undefined if they can't do anything about it. Translate it by `code`. */
  readonly forUsers: string | undefined;

  /**
   * @param problem as the service says it
   * @param retryAfterMs when to try again, in ms, if the service said so
   * @param tries how often it was tried. After more than one, an earlier try may have gone through although its answer was lost: then
   * `precondition_failed` may mean that the change was made
   */
  constructor(
    readonly problem: Problem,
    readonly retryAfterMs?: number,
    readonly tries = 1,
    options?: ErrorOptions,
  ) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.code = problem.code;
    this.status = problem.status;
    this.forUsers =
      problem.code === 'avatar_locked'
        ? `This picture can’t be changed. ${problem.reason ?? ''}`.trim()
        : FOR_USERS[problem.code];
  }
}
