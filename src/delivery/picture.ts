import type { CachedRead } from '../avatars/avatar.repository.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Again } from './hot-answers.js';

/** A picture to show, with everything that an answer needs before it loads the bytes. */
export interface Picture {
  /** Changes with the bytes. */
  etag: string;
  format: RenditionFormat;
  /** The request headers that decided which picture it is. */
  vary: readonly string[];
  /** Whether the storage vouches for it. Otherwise nobody may cache it. */
  verified: boolean;
  /** Shows it again without asking the store; undefined if only the store can tell whether it is still right. */
  again: Again | undefined;
  /**
   * Loads the bytes, or makes them.
   * @throws CodedError `avatar_not_found`, `rendition_not_found` if it was erased meanwhile; `picture_unreadable`, `busy`; what the
   * pipeline and the store throw
   */
  load: () => Promise<Buffer>;
}

/** The read that a picture follows from. */
export type PictureRead = Pick<CachedRead, 'verified' | 'stillHolds'>;
