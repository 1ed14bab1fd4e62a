import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { aliasesOf } from '../model/alias.js';
import { manifestKey } from '../model/keys.js';
import { writeManifest } from '../model/manifest-format.js';
import { type Intent, apply } from '../model/intents.js';
import { type Manifest } from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { ObjectStore, PreconditionFailed } from '../storage/object-store.js';
import { KeyedMutex } from '../tools/keyed-mutex.js';
import { AvatarEvents } from './avatar.events.js';
import { AvatarRepository, type Snapshot } from './avatar.repository.js';

const BUSY = 'Too many changes of this avatar at the same time. Try again shortly.';

/** A change did not begin, because the changes before it took too long. Nothing of it is in the store. */
export class ChangeNotBegun extends CodedError {
  constructor() {
    super('busy', BUSY);
  }
}

/** Gives the intent for a manifest; undefined if there is nothing to change. */
export type Decide<Wanted extends Intent> = (manifest: Manifest) => Wanted | undefined;

/** The result of a change. */
export interface Changed<Wanted extends Intent> {
  /** The manifest that is in the store now. */
  manifest: Manifest;
  /** The intent that the manifest holds; undefined if there was nothing to change. */
  intent: Wanted | undefined;
}

/** The manifest that a snapshot would become. */
interface Plan<Wanted extends Intent> extends Changed<Wanted> {
  /** The store has it already. */
  isStored: boolean;
}

/**
 * Changes manifests by compare and swap. In this process, the changes of an avatar are made one after the
 * other.
 */
@Injectable()
export class ManifestSwap {
  private readonly changes = new KeyedMutex();

  constructor(
    private readonly store: ObjectStore,
    private readonly repository: AvatarRepository,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {}

  /**
   * Changes an avatar: asks `decide` for the intent, and writes the result if the manifest in the store is
   * still the same. Otherwise it reads the manifest and starts again.
   * @param decide may be called several times. If it throws about the manifest in the store, the change ends
   * @throws ChangeNotBegun if the changes before it took too long; CodedError `busy` if others kept writing;
   * what the store throws
   */
  async change<Wanted extends Intent>(id: string, decide: Decide<Wanted>): Promise<Changed<Wanted>> {
    const deadline = performance.now() + this.settings.avatarCommitTimeoutMs;
    const swapped = async () => {
      const first = await this.changeLastRead(id, decide);
      if (first) return first;
      for (let attempt = 1; ; attempt++) {
        const snapshot = await this.repository.readSnapshot(id);
        const plan = this.planOf(snapshot, decide);
        if (plan.isStored || (await this.swap(id, snapshot, plan.manifest))) return plan;
        if (performance.now() > deadline) throw new CodedError('busy', BUSY);
        await sleep(Math.random() * Math.min(10 * attempt, 200));
      }
    };
    return this.changes.run(id, swapped, { deadline, tooLate: () => new ChangeNotBegun() });
  }

  /**
   * Tries the swap on the manifest in memory. That usually works and saves a call to the store, since every
   * change starts with a read. Only a swap proves that nobody wrote since then, so without one nothing is
   * concluded.
   * @returns undefined if the manifest has to be read
   */
  private async changeLastRead<Wanted extends Intent>(
    id: string,
    decide: Decide<Wanted>,
  ): Promise<Changed<Wanted> | undefined> {
    const before = this.repository.lastSnapshot(id);
    if (!before) return undefined;
    let plan: Plan<Wanted>;
    try {
      plan = this.planOf(before, decide);
    } catch {
      // This may be due to the old manifest. `decide` is asked again about the new one.
      return undefined;
    }
    return !plan.isStored && (await this.swap(id, before, plan.manifest)) ? plan : undefined;
  }

  private planOf<Wanted extends Intent>(
    { value: { manifest }, etag }: Snapshot,
    decide: Decide<Wanted>,
  ): Plan<Wanted> {
    const intent = decide(manifest);
    if (!intent) return { manifest, intent, isStored: true };
    const changed = apply(manifest, intent, this.settings.avatarHistory);
    return {
      manifest: changed,
      intent,
      isStored: etag !== undefined && isDeepStrictEqual(changed, manifest),
    };
  }

  /** Writes a manifest if the store still has the one before. @returns whether it had */
  private async swap(id: string, before: Snapshot, manifest: Manifest): Promise<boolean> {
    const bytes = writeManifest(manifest);
    const begunAt = performance.now();
    try {
      const { etag } = await this.store.store(manifestKey(id), bytes, {
        ...(before.etag === undefined ? { ifAbsent: true } : { ifMatch: before.etag }),
        ...MANIFEST_ATTRIBUTES,
      });
      this.repository.written({ value: { manifest, bytes: bytes.length }, etag }, begunAt, before.etag);
    } catch (error) {
      if (error instanceof PreconditionFailed) return false;
      // The store may have written it all the same.
      this.repository.leaveReads(id);
      this.tell(before.value.manifest, manifest);
      throw error;
    }
    this.tell(before.value.manifest, manifest);
    return true;
  }

  private tell(before: Manifest, after: Manifest): void {
    const aliases = [...new Set([...aliasesOf(before), ...aliasesOf(after)])];
    const aliased = before.aliases?.at !== after.aliases?.at;
    const registered = aliased && aliasesOf(after).length > 0;
    this.events.changed({ id: after.id, aliases, aliased, registered });
  }
}
