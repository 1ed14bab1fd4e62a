import { Settings } from '../config/settings.js';
import { removeFile } from '../files.js';
import { openPipeline } from '../images/open-pipeline.js';
import { RENDITION_FORMATS } from '../model/formats.js';
import { ADOPTION_COMPLETE, AVATARS, manifestKey } from '../model/keys.js';
import { LocalStore } from '../storage/local/local.store.js';
import type { ListedObject, ObjectStore } from '../storage/object-store.js';
import { AliasInspector } from './alias-inspector.js';
import type { Finding, Outcome, Task } from './command.js';
import { examineEach } from './for-each.js';
import { Inspector, type Repairable } from './inspector.js';
import { type ListedAvatar, countAvatars, keyOf, listAliases, listAvatars, decodedId } from './listing.js';
import { assertOwnFolder, openExisting } from './stores.js';
import { stuckInOutbox } from './stuck-outbox.js';

/** Compares every manifest with its objects and every object with its manifest, and reads every picture. */
export async function runVerify(task: Task, settings: Settings, repair: boolean): Promise<Outcome> {
  const { concurrency, progress, dryRun } = task;
  const store = openExisting(settings);
  if (repair && !dryRun) assertOwnFolder(store);
  const decodesAll = { avatarAllowedTypes: [...RENDITION_FORMATS], imageQueue: concurrency };
  const pipeline = openPipeline(Object.assign(new Settings(), settings, decodesAll));
  const rules = {
    graceMs: settings.avatarGraceMs,
    history: settings.avatarHistory,
    allAdopted: await store.exists(ADOPTION_COMPLETE),
  };
  const aliases = new AliasInspector(store, settings);
  const inspector = new Inspector(store, pipeline, aliases.aliases, rules);
  const findings: Finding[] = [];
  const report = (finding: Finding) => findings.push(finding);
  const facts = { storage: store.location, avatars: 0, objects: 0, aliases: 0 };
  const reportOrRepair = async ({ repair: repairNow, ...finding }: Repairable) => {
    if (repair && !dryRun && repairNow)
      findings.push({ ...finding, ...((await repairNow()) && { repaired: true }) });
    else findings.push({ ...finding, ...(repairNow && { repairable: true }) });
  };

  if (progress.visible) progress.start('verify', await countAvatars(store));
  const unknown: ListedObject[] = [];
  await examineEach(
    listAvatars(store, (object) => unknown.push(object)),
    task,
    { where: keyOf, report },
    async (listed) => {
      facts.avatars++;
      facts.objects += listed.pictures.length + (listed.manifest ? 1 : 0);
      const first = await inspector.inspect(listed);
      // A change between listing and reading looks like damage, but only once.
      const found = first.length > 0 ? await inspector.inspect(await listAgain(store, listed)) : first;
      for (const finding of found) await reportOrRepair(finding);
      progress.step();
    },
  );
  await examineEach(
    listAliases(store, (object) => unknown.push(object)),
    task,
    { where: ({ key }) => key, report },
    async (listed) => {
      facts.aliases++;
      const found = await aliases.inspect(listed);
      if (found?.fault === 'unlisted') {
        const message = 'No manifest lists it. Run visage gc to delete it.';
        findings.push({ code: 'orphaned_alias', where: listed.key, message });
      } else if (found?.fault === 'unreadable') {
        const message = 'It cannot be read. Register the address or hash again.';
        findings.push({ code: 'alias_unreadable', where: listed.key, message });
      }
    },
  );
  for (const { key } of unknown) {
    const message = 'No object of Visage has such a key.';
    findings.push({ code: 'unknown_object', where: key, message });
  }
  if (store instanceof LocalStore)
    for await (const finding of stuckTemporaries(store)) await reportOrRepair(finding);
  for await (const finding of stuckInOutbox(settings)) await reportOrRepair(finding);
  return { findings, facts };
}

async function listAgain(store: ObjectStore, { encodedId }: ListedAvatar): Promise<ListedAvatar> {
  const pictures: ListedObject[] = [];
  for await (const object of store.list(`${AVATARS}${encodedId}/`)) pictures.push(object);
  const id = decodedId(encodedId);
  if (id === undefined) return { encodedId, pictures };
  for await (const manifest of store.list(manifestKey(id))) return { encodedId, manifest, pictures };
  return { encodedId, pictures };
}

async function* stuckTemporaries(store: LocalStore): AsyncIterable<Repairable> {
  for await (const { path, modifiedAt } of store.stuckTemporaries()) {
    yield {
      code: 'stuck_temporary',
      where: path,
      message: `A write of ${modifiedAt.toISOString()} that never ended.`,
      repair: async () => {
        await removeFile(path);
        return true;
      },
    };
  }
}
