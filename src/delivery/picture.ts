import type { CachedRead } from '../avatars/avatar.repository.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Again } from './hot-answers.js';

/** A picture that may be shown: everything that an answer needs to know before it loads the bytes. */
export interface Picture {
  /** Changes with the bytes. */
  etag: string;
  format: RenditionFormat;
  /** The headers of the request that decided which picture it is. */
  vary: readonly string[];
  /** Whether the storage vouches for it. Otherwise nobody may keep it. */
  verified: boolean;
  /** How it is shown again without asking the store; undefined if only the store can tell. */
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
