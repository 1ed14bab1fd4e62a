/** Codes of the service, and those of the element itself. */
export type ProblemCode = string;

/** Why a change was not made. */
export class VisageError extends Error {
  override readonly name = 'VisageError';

  /**
   * @param code of the service's problem+json, or `no_connection`, `no_ticket`
   * @param detail for developers, in English
   */
  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly facts: { status?: number; retryAfter?: number; reason?: string; maxBytes?: number } = {},
  ) {
    super(detail);
  }
}
