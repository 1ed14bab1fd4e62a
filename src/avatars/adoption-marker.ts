import { Injectable, Logger } from '@nestjs/common';
import { ADOPTION_COMPLETE, AVATARS, MANIFESTS } from '../model/keys.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { ObjectStore, PreconditionFailed, StorageUnavailable } from '../storage/object-store.js';
import { SingleFlight } from '../tools/single-flight.js';

/** How long the store is not asked again for a marker that it did not have, in ms. */
const ASK_EVERY_MS = 60_000;

const FOR_CHANGE = { forChange: true } as const;

/**
 * Knows whether the older service may have left pictures to adopt. The store has a marker if not. A store
 * that is empty at the first look of a process gets it at once, any other once everything is adopted
 * (`AdoptionRun`, `visage adopt`). Once a process has seen it, it never asks again, so nobody deletes it.
 */
@Injectable()
export class AdoptionMarker {
  private readonly logger = new Logger(AdoptionMarker.name);
  private readonly asking = new SingleFlight<boolean>();
  private isSet = false;
  private askedAt = -Infinity;
  /** Whether the store is known to have had objects before. */
  private used = false;

  constructor(private readonly store: ObjectStore) {}

  /**
   * Whether nothing is left to adopt, as far as the store says. If it cannot be asked, there may be
   * something: an adoption then asks the store itself.
   */
  async complete(): Promise<boolean> {
    if (this.isSet || performance.now() - this.askedAt < ASK_EVERY_MS) return this.isSet;
    return this.asking.run('', () => this.ask());
  }

  /** Writes the marker. Everything has to be adopted. @throws what the store throws */
  async set(): Promise<void> {
    const marker = Buffer.from(JSON.stringify({ schema: 1, completedAt: new Date().toISOString() }));
    try {
      await this.store.store(ADOPTION_COMPLETE, marker, { ifAbsent: true, ...MANIFEST_ATTRIBUTES });
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
    }
    this.isSet = true;
  }

  private async ask(): Promise<boolean> {
    try {
      if ((await this.store.get(ADOPTION_COMPLETE, FOR_CHANGE)) !== undefined) this.isSet = true;
      else if (!this.used) await this.setIfEmpty();
    } catch (error) {
      this.logger[error instanceof StorageUnavailable ? 'debug' : 'warn'](
        { key: ADOPTION_COMPLETE, err: error },
        'cannot tell whether an older service left pictures: the storage is asked again in a minute',
      );
    }
    this.askedAt = performance.now();
    return this.isSet;
  }

  private async setIfEmpty(): Promise<void> {
    this.used = (await this.hasObjects(AVATARS)) || (await this.hasObjects(MANIFESTS));
    if (this.used) return;
    await this.set();
    this.logger.log('the storage is new: nothing of an older service will be looked for');
  }

  private async hasObjects(prefix: string): Promise<boolean> {
    for await (const _ of this.store.list(prefix, FOR_CHANGE)) return true;
    return false;
  }
}
