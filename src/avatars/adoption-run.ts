import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AVATARS, isId, isLegacy } from '../model/keys.js';
import { ManifestUnreadable } from '../model/manifest-format.js';
import { mayAdopt } from '../model/manifest.js';
import { StorageHealth } from '../storage/health/storage-health.js';
import { ObjectStore, StorageUnavailable } from '../storage/object-store.js';
import { AdoptionLease } from './adoption-lease.js';
import { AdoptionMarker } from './adoption-marker.js';
import { Adoption } from './adoption.js';
import { AvatarRepository } from './avatar.repository.js';

/** How long after an attempt the next look comes, in ms. */
const AGAIN_AFTER_MS = 60_000;

/**
 * Adopts everything that the older service left, once in the life of a store, while the service runs: readers
 * get what is adopted so far. One replica does it, avatar by avatar, so that uploads hardly notice.
 */
@Injectable()
export class AdoptionRun implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(AdoptionRun.name);
  private readonly stopping = new AbortController();
  private readonly lease: AdoptionLease;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: ObjectStore,
    private readonly health: StorageHealth,
    private readonly marker: AdoptionMarker,
    private readonly adoption: Adoption,
    private readonly repository: AvatarRepository,
  ) {
    this.lease = new AdoptionLease(store);
  }

  /** Looks for the marker before the first upload comes: after it, a new storage is not empty any more. */
  async onApplicationBootstrap(): Promise<void> {
    if (!(await this.isComplete())) this.running = this.untilComplete();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async untilComplete(): Promise<void> {
    const { signal } = this.stopping;
    do {
      try {
        if ((await this.isReachable()) && (await this.lease.acquire())) await this.adoptAll();
      } catch (error) {
        this.logger[error instanceof StorageUnavailable ? 'debug' : 'warn'](
          { err: error },
          'not all pictures of the older service could be adopted: the next attempt comes in a minute',
        );
      }
      await sleep(AGAIN_AFTER_MS, undefined, { signal, ref: false }).catch(() => undefined);
    } while (!signal.aborted && !(await this.isComplete()));
  }

  private async isComplete(): Promise<boolean> {
    return (await this.isReachable()) && this.marker.complete();
  }

  private async isReachable(): Promise<boolean> {
    return (await this.health.askInTime()).reachable;
  }

  /**
   * Adopts all, sets the marker, and gives the lease back. Stops early if the service does, or if another
   * took the lease over.
   */
  private async adoptAll(): Promise<void> {
    this.logger.log('pictures of an older service are looked for, and adopted');
    let adopted = 0;
    try {
      for await (const id of this.ids()) {
        if (this.stopping.signal.aborted || !(await this.lease.renew())) return;
        if (await this.adopt(id)) adopted++;
      }
      await this.marker.set();
      this.logger.log({ adopted }, 'nothing of an older service is left to adopt');
    } finally {
      await this.lease.release();
    }
  }

  private async adopt(id: string): Promise<boolean> {
    try {
      const manifest = await this.repository.readFresh(id);
      return mayAdopt(manifest) && (await this.adoption.adoptNewest(manifest)).key !== undefined;
    } catch (error) {
      // The avatar has a manifest, and so was adopted, or uploaded, before.
      if (error instanceof ManifestUnreadable) return false;
      throw error;
    }
  }

  /** The ids with pictures of the older service, which wrote ids into keys as they are. */
  private async *ids(): AsyncIterable<string> {
    let last: string | undefined;
    for await (const { key } of this.store.list(AVATARS)) {
      const [, id = ''] = key.split('/');
      if (id === last || !isLegacy(key) || !isId(id)) continue;
      last = id;
      yield id;
    }
  }
}
