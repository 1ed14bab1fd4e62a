/** A CDN in front of the service, which can be told to forget answers. The port of the drivers. */
export abstract class Cdn {
  /** Whether there is one: without that, nobody is told anything. */
  readonly enabled: boolean = true;

  /** How answers are named to it: by their tags, or by the beginnings of their paths. */
  abstract readonly by: 'tags' | 'paths';

  /**
   * Has it forget all answers with one of the tags, or below one of the paths.
   * @param items at least one
   * @throws PurgeFailed unless it accepted all of them
   */
  abstract purge(items: readonly string[]): Promise<void>;
}

/** A CDN did not accept a purge. Its message is the same for the same cause, and has no secrets. */
export class PurgeFailed extends Error {
  override readonly name = 'PurgeFailed';

  /** @param advice what an operator should do */
  constructor(
    message: string,
    readonly advice: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}
