import { Cdn } from './cdn.js';

/** There is no CDN, or none that has to be told. */
export class NoCdn extends Cdn {
  override readonly enabled = false;
  readonly by = 'tags';

  purge(): Promise<void> {
    return Promise.resolve();
  }
}
