import type { ReadToken } from '../avatars/read-token.js';
import type { RenditionFormat } from '../model/formats.js';

/** Pictures in the memory of this process, by key. */
export interface PictureMemory {
  /** Gives a picture if it is in memory, and never calls the store. */
  inMemory(key: string): Buffer | undefined;
  /** Whether a picture can be shown without making it. */
  isAtHand(key: string): boolean;
}

/** Lets a picture be shown again without asking the store. Data only: it keeps no bytes in memory. */
export interface Repeatable {
  /** It is right as long as all of them hold. */
  readonly tokens: readonly ReadToken[];
  /** Where its bytes are, if they are still in memory. */
  readonly memory: PictureMemory;
  readonly key: string;
  /** The key of a better picture. As soon as that can be shown, it has to be. */
  readonly better: string | undefined;
}

/** Shown in place of a picture, of which the storage cannot tell now. */
interface StandIn {
  /**
   * Why the storage cannot tell. The answer is then a 503 for readers who have another copy, so that they
   * keep it. Undefined if there is no picture.
   */
  away?: Error | undefined;
}

/** A picture to show, with everything that an answer needs before it loads the bytes. */
export interface Picture extends StandIn {
  /** Changes with the bytes. */
  etag: string;
  format: RenditionFormat;
  /** The request headers that decided which picture it is. */
  vary: readonly string[];
  /** Whether the storage vouches for it. Otherwise nobody may cache it. */
  verified: boolean;
  /** Undefined if only the store can tell whether it is still right. */
  repeat: Repeatable | undefined;
  /**
   * Loads the bytes, or makes them.
   * @returns another picture to show instead: if this one is not there any more and would take long to make,
   * or the same one for nobody to keep, if by now it may be outdated
   * @throws CodedError `avatar_not_found`, `rendition_not_found` if it was erased meanwhile;
   * `picture_unreadable`, `busy`; what the pipeline and the store throw
   */
  load: () => Promise<Buffer | Picture>;
  /**
   * Gives what to show instead if `load` fails.
   * @param error of `load`
   * @throws the same error if it is no outage, or nothing is to be shown
   */
  instead?: ((error: unknown) => Promise<Picture | Redirect>) | undefined;
}

/** A picture elsewhere, to show in place of one. */
export interface Redirect extends StandIn {
  redirect: string;
  /** Whether the storage vouches for it. Otherwise nobody may cache it. */
  verified: boolean;
}
