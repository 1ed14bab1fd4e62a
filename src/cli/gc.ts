import type { Settings } from '../config/settings.js';
import { collectable } from '../model/garbage.js';
import { PROBES, versionOf } from '../model/keys.js';
import type { ListedObject } from '../storage/object-store.js';
import { AliasInspector } from './alias-inspector.js';
import type { Finding, Outcome, Task } from './command.js';
import { examineEach } from './for-each.js';
import { countAvatars, keyOf, listAliases, listAvatars, decodedId } from './listing.js';
import { manifestOf } from './read-object.js';
import { assertOwnFolder, openExisting } from './stores.js';

/**
 * Deletes objects that no manifest needs any more, by the same rule as the service. It is safe while uploads
 * run, because their objects are younger than the grace period.
 */
export async function runGc(task: Task, settings: Settings): Promise<Outcome> {
  const { dryRun, progress } = task;
  const store = openExisting(settings);
  if (!dryRun) assertOwnFolder(store);
  const rules = { graceMs: settings.avatarGraceMs, history: settings.avatarHistory };
  const facts = { storage: store.location, avatars: 0, versions: 0, objects: 0, bytes: 0, aliases: 0 };
  const findings: Finding[] = [];
  const report = (finding: Finding) => findings.push(finding);
  if (progress.visible) progress.start('gc', await countAvatars(store));
  const nothing = () => undefined;
  const avatars = listAvatars(store, nothing);
  await examineEach(avatars, task, { where: keyOf, report }, async ({ encodedId, pictures }) => {
    facts.avatars++;
    const id = decodedId(encodedId);
    if (id === undefined || pictures.length === 0) return;
    const garbage = async () => {
      const manifest = await manifestOf(store, id);
      return new Set(collectable(pictures, manifest, { ...rules, now: Date.now() }));
    };
    if ((await garbage()).size > 0) {
      // The manifest may have changed while this avatar waited for its turn.
      const keys = await garbage();
      await remove(pictures.filter(({ key }) => keys.has(key)));
    }
    progress.step();
  });
  for await (const probe of store.list(PROBES)) {
    if (Date.now() - probe.modifiedAt.getTime() > rules.graceMs) await remove([probe]);
  }
  const inspector = new AliasInspector(store, settings);
  const aliases = listAliases(store, nothing);
  await examineEach(aliases, task, { where: ({ key }) => key, report }, async (listed) => {
    const found = await inspector.inspect(listed);
    if (!found || found.fault === 'unreadable') return;
    facts.aliases++;
    if (!dryRun) await inspector.delete(found, listed);
  });
  return { findings, facts };

  async function remove(objects: readonly ListedObject[]): Promise<void> {
    facts.versions += new Set(objects.flatMap(({ key }) => versionOf(key) ?? [])).size;
    facts.objects += objects.length;
    facts.bytes += objects.reduce((sum, { size }) => sum + size, 0);
    if (!dryRun && objects.length > 0) await store.deleteMany(objects.map(({ key }) => key));
  }
}
