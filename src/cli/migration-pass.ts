import { aliasesOf, listsAlias, targetOf } from '../model/alias.js';
import { MANIFESTS, aliasKey, decodeId, isLegacy, versionOf } from '../model/keys.js';
import { ManifestUnreadable, readManifest, writeManifest } from '../model/manifest-format.js';
import { merge } from '../model/intents.js';
import { type Manifest, emptyManifest, isErased, mayAdopt } from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { masterKey } from '../model/rendition.js';
import { sha256Hex } from '../model/sha256.js';
import { type ListedObject, type ObjectStore, PreconditionFailed } from '../storage/object-store.js';
import { findingOf } from './command.js';
import { type ListedAvatar, decodedId } from './listing.js';
import { MigrationFindings } from './migration-findings.js';
import { type MigrationTotals, PassTally } from './migration-tally.js';
import { manifestOf, read } from './read-object.js';
import { type Copied, copyVerified } from './verified-copy.js';

export interface MigrationOptions {
  dryRun: boolean;
  /** Versions kept in a manifest. */
  history: number;
}

/**
 * Copies avatars one by one. The destination is the only state, so an interrupted migration goes on where it
 * was. A manifest is written after all its pictures were read back and compared. A manifest that is there
 * already, the same to the byte, therefore vouches for every picture that is not newer than it. All other
 * pictures are read on both sides and compared.
 */
export class MigrationPass {
  readonly tally: PassTally;
  readonly findings = new MigrationFindings();

  constructor(
    readonly from: ObjectStore,
    readonly to: ObjectStore,
    private readonly options: MigrationOptions,
    totals: MigrationTotals,
  ) {
    this.tally = new PassTally(totals);
  }

  /**
   * @throws ManifestUnreadable for a manifest of either side, before anything is copied; the errors of the
   * stores
   */
  async move(source: ListedAvatar, target: ListedAvatar | undefined): Promise<void> {
    this.tally.avatars++;
    const key = manifestKeyOf(source.encodedId);
    const [ours, theirs] = await Promise.all([
      source.manifest && read(this.from, key),
      (source.manifest ?? target?.manifest) ? read(this.to, key) : undefined,
    ]);
    if (source.manifest && !ours) {
      this.tally.changes++;
      return;
    }
    const manifests = this.readBoth(source.encodedId, ours?.bytes, theirs?.bytes);
    const { before, replaced, after } = manifests;
    const bytes = theirs ? writeManifest(after) : ours?.bytes;
    const same = bytes === undefined || theirs?.bytes.equals(bytes) === true;
    // Times of the listing: S3 gives those of a read object in whole seconds.
    const vouchedUntil = ours && same ? (target?.manifest?.modifiedAt.getTime() ?? 0) : 0;

    this.lookForUnadopted(after, source.pictures, target?.pictures ?? []);

    const present = new Map(target?.pictures.map((object) => [object.key, object]));
    const gone: string[] = [];
    for (const picture of this.wanted(before, after, source)) {
      const there = present.get(picture.key);
      if (there?.size === picture.size && there.modifiedAt.getTime() <= vouchedUntil) continue;
      const result = await this.copy(picture.key, there !== undefined);
      if (result === 'damaged') return;
      if (result === 'gone') gone.push(picture.key);
    }
    if (gone.length > 0 && ours && (await read(this.from, key))?.etag !== ours.etag) {
      // A change removed them meanwhile: the next pass sees all of it.
      this.tally.changes++;
      return;
    }
    for (const missing of gone.filter((name) => name.includes('/master.'))) {
      this.findings.missingMaster(missing);
    }
    if (!same) {
      if (!(await this.copyAliases(before, after))) return;
      await this.swapManifest(key, bytes, theirs?.etag);
    }
    await this.removeErased(after, present);
    await this.removeAliases(replaced, after);
  }

  /** Looks at an avatar that only the destination has. @throws ManifestUnreadable; the errors of the store */
  async visit({ encodedId, pictures }: ListedAvatar): Promise<void> {
    const id = decodedId(encodedId);
    if (id === undefined || !pictures.some(({ key }) => isLegacy(key))) return;
    this.lookForUnadopted(await manifestOf(this.to, id), [], pictures);
  }

  /** Counts an avatar that has yet to be adopted. */
  private lookForUnadopted(
    manifest: Manifest,
    ours: readonly ListedObject[],
    theirs: readonly ListedObject[],
  ): void {
    if (!mayAdopt(manifest)) return;
    const brought = new Set(ours.map(({ key }) => key).filter(isLegacy));
    if (brought.size > 0) this.tally.unadopted++;
    if (theirs.some(({ key }) => isLegacy(key) && !brought.has(key))) this.tally.unadoptedThere++;
  }

  /**
   * The manifests of the source (`before`) and the destination (`replaced`), and the two merged (`after`).
   */
  private readBoth(encodedId: string, ours: Buffer | undefined, theirs: Buffer | undefined) {
    const empty = emptyManifest(encodedId);
    if (!ours && !theirs) return { before: empty, replaced: empty, after: empty };
    const id = decodeId(encodedId);
    const before = ours ? readManifest(id, ours) : emptyManifest(id);
    const replaced = theirs ? readManifest(id, theirs) : emptyManifest(id);
    const after = theirs ? merge(before, replaced, this.options.history) : before;
    return { before, replaced, after };
  }

  /**
   * The pictures to copy: those of the versions that stay, with masters that are too new for the listing; and
   * uploads of the service that Visage grew from, as they are.
   */
  private wanted(
    before: Manifest,
    after: Manifest,
    { pictures }: ListedAvatar,
  ): Pick<ListedObject, 'key' | 'size'>[] {
    const kept = new Set(after.versions.map(({ version }) => version));
    const staying = before.versions.filter(({ version }) => kept.has(version));
    const wanted = new Map(
      staying.map((version) => {
        const key = masterKey(before.id, version);
        return [key, { key, size: version.bytes }];
      }),
    );
    const names = new Set(staying.map(({ version }) => version));
    for (const object of pictures) {
      const version = versionOf(object.key);
      if (version === undefined) this.findings.unknownObject(object.key);
      else if (isLegacy(object.key) ? !isErased(after, version) : names.has(version)) {
        wanted.set(object.key, object);
      }
    }
    return [...wanted.values()];
  }

  /**
   * Copies the aliases that the source lists, if its list is the later one. An alias that another avatar of
   * the source has taken over is left to that one. An alias that another avatar of the destination has
   * registered since stays.
   * @returns false if one did not read back as it was written
   */
  private async copyAliases({ id, aliases }: Manifest, after: Manifest): Promise<boolean> {
    if (after.aliases !== aliases) return true;
    for (const name of aliases?.hashes ?? []) {
      const key = aliasKey(name);
      if (targetOf(await read(this.from, key)) !== id) continue;
      const there = targetOf(await read(this.to, key));
      if (
        there === id ||
        (there !== undefined && (await this.registeredAt(there, name)) > (aliases?.at ?? ''))
      )
        continue;
      if ((await this.copy(key, there !== undefined)) === 'damaged') return false;
    }
    return true;
  }

  /**
   * When an avatar of the destination registered an alias; if never, an empty text, which sorts before all
   * times.
   */
  private async registeredAt(id: string, name: string): Promise<string> {
    try {
      const manifest = await manifestOf(this.to, id);
      return listsAlias(manifest, name) ? (manifest.aliases?.at ?? '') : '';
    } catch (error) {
      if (!(error instanceof ManifestUnreadable)) throw error;
      this.findings.add(findingOf(error, error.key));
      return '';
    }
  }

  /** Removes the aliases that the destination listed before, and the avatar does not have any more. */
  private async removeAliases(replaced: Manifest, after: Manifest): Promise<void> {
    for (const name of aliasesOf(replaced)) {
      const key = aliasKey(name);
      if (listsAlias(after, name) || targetOf(await read(this.to, key)) !== after.id) continue;
      this.tally.removed();
      if (!this.options.dryRun) await this.to.delete(key);
    }
  }

  private async copy(key: string, present: boolean): Promise<Copied['result']> {
    const { dryRun } = this.options;
    const copied = await copyVerified(this.from, this.to, key, { present, dryRun });
    if (copied.result === 'damaged') this.findings.wrongChecksum(key);
    this.tally.compared(copied);
    return copied.result;
  }

  /** Writes a manifest if nobody has written it since it was read. Otherwise the next pass tries again. */
  private async swapManifest(key: string, bytes: Buffer, etag: string | undefined): Promise<void> {
    this.tally.changes++;
    if (!this.options.dryRun) {
      try {
        const precondition = etag === undefined ? { ifAbsent: true as const } : { ifMatch: etag };
        const stored = await this.to.store(key, bytes, { ...precondition, ...MANIFEST_ATTRIBUTES });
        const written = await read(this.to, key);
        if (written?.etag === stored.etag && sha256Hex(written.bytes) !== sha256Hex(bytes)) {
          this.findings.wrongChecksum(key);
        }
      } catch (error) {
        if (error instanceof PreconditionFailed) return;
        throw error;
      }
    }
    this.tally.totals.manifests++;
  }

  /** Removes the pictures of erased versions. Versions that have only left the history are left to `gc`. */
  private async removeErased(manifest: Manifest, present: Map<string, ListedObject>): Promise<void> {
    const erased: string[] = [];
    for (const key of present.keys()) {
      const version = versionOf(key);
      if (version === undefined || !isErased(manifest, version)) continue;
      this.tally.removed();
      erased.push(key);
    }
    if (!this.options.dryRun && erased.length > 0) await this.to.deleteMany(erased);
  }
}

function manifestKeyOf(encodedId: string): string {
  return `${MANIFESTS}${encodedId}.json`;
}
