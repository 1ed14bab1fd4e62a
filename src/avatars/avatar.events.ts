import { Injectable } from '@nestjs/common';
import type { Version } from '../model/manifest.js';
import type { Purgeable } from '../model/purging.js';

/** What a CDN was asked to forget, and whether it agreed. */
export interface Purged {
  /** Whether it accepted all of it in time. Otherwise it is asked again in the background. */
  accepted: boolean;
  /** By tags or by paths, as the CDN wants it. Paths leave out hashes of e-mail addresses. */
  tags?: readonly string[];
  paths?: readonly string[];
}

/** Follows what happens to avatars in this process. */
export interface AvatarListener {
  /** An upload made a version current. @param master its bytes */
  published?(id: string, version: Version, master: Buffer): void;
  /** A manifest has changed in the store, or may have. */
  changed?(change: Purgeable): void;
  /**
   * The versions that `covers` are erased. The erasure is answered once all promises have settled.
   */
  erased?(id: string, covers: (version: string) => boolean): Promise<void>;
  /** Has copies outside of the service removed for an erasure, which waits for it. */
  purge?(change: Purgeable): Promise<Purged>;
  /** The process stops, and no change follows. */
  ended?(): Promise<void>;
}

/** Tells listeners what happens to avatars, so that avatars need not know who caches or warms what. */
@Injectable()
export class AvatarEvents {
  private readonly listeners = new Set<AvatarListener>();

  subscribe(listener: AvatarListener): void {
    this.listeners.add(listener);
  }

  published(id: string, version: Version, master: Buffer): void {
    for (const listener of this.listeners) listener.published?.(id, version, master);
  }

  changed(change: Purgeable): void {
    for (const listener of this.listeners) listener.changed?.(change);
  }

  async erased(id: string, covers: (version: string) => boolean): Promise<void> {
    await this.all((listener) => listener.erased?.(id, covers));
  }

  /** @returns undefined if nobody keeps copies */
  async purge(change: Purgeable): Promise<Purged | undefined> {
    const [purged] = await this.all((listener) => listener.purge?.(change));
    return purged;
  }

  async ended(): Promise<void> {
    await this.all((listener) => listener.ended?.());
  }

  private all<T>(tell: (listener: AvatarListener) => Promise<T> | undefined): Promise<T[]> {
    return Promise.all([...this.listeners].flatMap((listener) => tell(listener) ?? []));
  }
}
