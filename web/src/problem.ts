/** What a refusal is about. */
interface Facts {
  /** Of HTTP. */
  status?: number;
  /** In s. */
  retryAfter?: number | undefined;
  /** In the words of whoever locked the picture. */
  reason?: string | undefined;
  /** The most bytes that are accepted. */
  maxBytes?: number;
}

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
    readonly facts: Facts = {},
  ) {
    super(detail);
  }
}

/** @param from whom there is no answer */
export function noConnection(from: string): VisageError {
  return new VisageError('no_connection', `There is no answer from ${from}.`);
}
