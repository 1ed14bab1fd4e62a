import {
  type GetOptions,
  type ListedObject,
  type CallOptions,
  ObjectStore,
  type StoredObject,
  type StoreHealth,
  type StoreOptions,
} from './object-store.js';
import { Turns, type TurnsOptions } from './turns.js';

/** The line of writers, and of what they have to read. */
const CHANGES = 'changes';

/** Objects that a listing takes in one turn: what S3 gives in one answer. */
const PAGE = 1000;

/**
 * A store that is asked so much at a time and no more: other calls wait here, where no deadline of theirs runs yet. A burst of readers
 * would otherwise wait for connections, time out, and look like an outage. `check` and `getUrl` pass by.
 *
 * Changes wait in one line, readers in one for each folder of keys: who was told of a manifest does not have to wait for its picture
 * behind all those who just ask for a manifest, nor is refused because they are too many. What is known already, and only asked whether
 * it has changed, has a line of its own: a flood of made-up ids is nothing to those who ask for avatars that there are.
 */
export class BoundedStore extends ObjectStore {
  readonly backend;
  readonly location;
  private readonly turns: Turns;

  constructor(
    private readonly inner: ObjectStore,
    options: TurnsOptions,
  ) {
    super();
    this.backend = inner.backend;
    this.location = inner.location;
    this.turns = new Turns(options);
  }

  override store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }> {
    return this.turns.run(CHANGES, () => this.inner.store(key, bytes, options));
  }

  override get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.turns.run(lineOf(key, options), () => this.inner.get(key, options));
  }

  override exists(key: string): Promise<boolean> {
    return this.turns.run(lineOf(key), () => this.inner.exists(key));
  }

  override delete(key: string): Promise<void> {
    return this.turns.run(CHANGES, () => this.inner.delete(key));
  }

  override getUrl(key: string, options?: { expiresIn?: number }): Promise<string | undefined> {
    return this.inner.getUrl(key, options);
  }

  /** A turn for each page: none is held while the reader looks at what it got. */
  override async *list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    const objects = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const page = await this.turns.run(lineOf(prefix, options), () => take(objects, PAGE));
        yield* page;
        if (page.length < PAGE) return;
      }
    } finally {
      await objects.return?.();
    }
  }

  override check(): Promise<StoreHealth> {
    return this.inner.check();
  }
}

function lineOf(key: string, options: GetOptions = {}): string {
  if (options.forChange) return CHANGES;
  const folder = key.slice(0, key.indexOf('/') + 1);
  return options.ifNoneMatch === undefined ? folder : `${folder} known`;
}

async function take<T>(items: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await items.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
