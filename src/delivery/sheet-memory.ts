import { Injectable, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AvatarEvents, type AvatarListener } from '../avatars/avatar.events.js';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import type { CacheUsage } from '../model/cache-usage.js';

/** The version that a sheet shows of each avatar that has a picture. */
export type ShownVersions = ReadonlyMap<string, string>;

interface Kept {
  bytes: Buffer;
  shown: ShownVersions;
}

/** Memory of an avatar's entry in `shown`, generously, in bytes. */
const BYTES_OF_SHOWN = 300;

/** Keeps sheets in memory, by ETag. */
@Injectable()
export class SheetMemory implements AvatarListener, OnModuleInit {
  private readonly sheets: LRUCache<string, Kept>;
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly events: AvatarEvents,
    settings: Settings,
  ) {
    this.sheets = new LRUCache({
      maxSize: Math.max(1, Math.floor(cacheSharesOf(settings).sheets)),
      sizeCalculation: ({ bytes, shown }) => bytes.length + BYTES_OF_SHOWN * (1 + shown.size),
    });
  }

  onModuleInit(): void {
    this.events.subscribe(this);
  }

  usage(): CacheUsage {
    const { hits, misses, sheets } = this;
    return { hits, misses, entries: sheets.size, bytes: sheets.calculatedSize };
  }

  inMemory(etag: string): Buffer | undefined {
    const known = this.sheets.get(etag);
    if (known) this.hits++;
    else this.misses++;
    return known?.bytes;
  }

  keep(etag: string, bytes: Buffer, shown: ShownVersions): void {
    this.sheets.set(etag, { bytes, shown });
  }

  /**
   * Forgets the sheets with an erased picture. Nobody would ask for them again: the versions are in the ETag.
   */
  erased(id: string, covers: (version: string) => boolean): Promise<void> {
    for (const [etag, { shown }] of this.sheets.entries()) {
      const version = shown.get(id);
      if (version !== undefined && covers(version)) this.sheets.delete(etag);
    }
    return Promise.resolve();
  }
}
