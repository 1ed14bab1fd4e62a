import { Injectable } from '@nestjs/common';
import type { Instant, Version } from '../model/manifest.js';

/** Follows what happens to avatars in this process. */
export interface AvatarListener {
  /** An upload made a version current. @param master its bytes */
  published(id: string, version: Version, master: Buffer): void;
  /** Everything up to `end` was erased. The erasure is answered once all promises have settled. */
  erased(id: string, end: Instant): Promise<void>;
}

/** Tells listeners what happens to avatars, so that avatars need not know who caches or warms what. */
@Injectable()
export class AvatarEvents {
  private readonly listeners = new Set<AvatarListener>();

  subscribe(listener: AvatarListener): void {
    this.listeners.add(listener);
  }

  published(id: string, version: Version, master: Buffer): void {
    for (const listener of this.listeners) listener.published(id, version, master);
  }

  async erased(id: string, end: Instant): Promise<void> {
    await Promise.all([...this.listeners].map((listener) => listener.erased(id, end)));
  }
}
