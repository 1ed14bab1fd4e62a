/** Why a change was not made. */
export class VisageError extends Error {
  override readonly name = 'VisageError';

  /**
   * @param code of the service's problem+json, or `no_connection`, `no_ticket`
   * @param detail for developers, in English
   */
  constructor(
    readonly code: string,
    detail: string,
    readonly facts: { status?: number; retryAfter?: number; reason?: string; maxBytes?: number } = {},
  ) {
    super(detail);
  }
}
