import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AdoptionMarker } from '../avatars/adoption-marker.js';
import { StorageHealth } from '../storage/health/storage-health.js';

/** Looks for the marker of the adoption before the first upload comes: after it, a new storage is not empty any more. */
@Injectable()
export class AdoptionStart implements OnApplicationBootstrap {
  constructor(
    private readonly health: StorageHealth,
    private readonly marker: AdoptionMarker,
  ) {}

  /** If the store is away, the first read of an unknown avatar looks later. */
  async onApplicationBootstrap(): Promise<void> {
    const { reachable } = await this.health.askInTime();
    if (reachable) await this.marker.complete();
  }
}
