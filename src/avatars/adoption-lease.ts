import { randomUUID } from 'node:crypto';
import { ADOPTION_RUNNING } from '../model/keys.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { type ObjectStore, PreconditionFailed } from '../storage/object-store.js';

/** How long a lease stays its holder's if it is not renewed, in ms. */
const LEASE_MS = 300_000;
const RENEW_AFTER_MS = LEASE_MS / 10;

/**
 * Lets one of all processes adopt. The lease is an object in the store, and its holder renews it. No clocks
 * are compared: another process takes the lease over if it has seen it unchanged for `LEASE_MS`. Two holders
 * at the same time would adopt the same versions.
 */
export class AdoptionLease {
  private held: { etag: string; at: number } | undefined;
  private seen: { etag: string; since: number } | undefined;

  /** @param now a monotonic clock, in ms */
  constructor(
    private readonly store: ObjectStore,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Tries to take the lease. @returns whether it is ours now @throws what the store throws */
  async acquire(): Promise<boolean> {
    if (await this.write({ ifAbsent: true })) return true;
    const object = await this.store.get(ADOPTION_RUNNING);
    if (object === undefined || object === 'unchanged') return false;
    const { etag } = object;
    if (this.seen?.etag !== etag) this.seen = { etag, since: this.now() };
    return this.now() - this.seen.since >= LEASE_MS && this.write({ ifMatch: etag });
  }

  /** Renews the lease, if that is due. @returns whether it is still ours @throws what the store throws */
  async renew(): Promise<boolean> {
    const { held } = this;
    if (!held) return false;
    return this.now() - held.at < RENEW_AFTER_MS || this.write({ ifMatch: held.etag });
  }

  /** Gives the lease up, if it is still ours. @throws what the store throws */
  async release(): Promise<void> {
    const ours = this.held && (await this.write({ ifMatch: this.held.etag }));
    if (ours) await this.store.delete(ADOPTION_RUNNING);
    this.held = undefined;
  }

  /** @returns whether the precondition held */
  private async write(precondition: { ifAbsent: true } | { ifMatch: string }): Promise<boolean> {
    const lease = Buffer.from(JSON.stringify({ schema: 1, id: randomUUID() }));
    this.held = undefined;
    const at = this.now();
    try {
      const { etag } = await this.store.store(ADOPTION_RUNNING, lease, {
        ...precondition,
        ...MANIFEST_ATTRIBUTES,
      });
      this.held = { etag, at };
      return true;
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      return false;
    }
  }
}
