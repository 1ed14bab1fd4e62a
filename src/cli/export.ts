import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { damageOf } from '../avatars/damage.js';
import type { Settings } from '../config/settings.js';
import { hashIn } from '../model/alias-names.js';
import { aliasesOf } from '../model/alias.js';
import { encodeId, isId, isLegacy, manifestKey, prefixOf, versionOf } from '../model/keys.js';
import { type Manifest, hiddenVersion, isErased, versionNamed } from '../model/manifest.js';
import { masterKey } from '../model/rendition.js';
import type { ObjectStore } from '../storage/object-store.js';
import { type Finding, type Outcome, UsageError, findingOf } from './command.js';
import { statOf } from './import-sources.js';
import { manifestOf, readUnlessDamaged } from './read-object.js';
import { openExisting } from './stores.js';

const README = `This is everything that an avatar service (Visage) has stored about one person.

avatar.json  What is known of each picture: when it was uploaded, its size, what it shows in the uploader's words.
             \`current\` is the picture that is shown; \`hidden\` the one that was shown before it was deleted.
             \`addresses\` are hashes of the person's e-mail addresses. The addresses themselves are not stored.
             \`erasedAt\` and \`erased\` say when pictures were erased. Of those nothing else is left.
pictures/    The pictures as they are stored: cropped, without the metadata of the camera.
             Those that are not in avatar.json's \`versions\` are about to be deleted, or were left as they were
             uploaded by an older service.
             Smaller copies of them are made when somebody looks, and are left out.
`;

/** A picture of the export. */
interface Exported {
  /** Within the folder. */
  file: string;
  bytes: Buffer;
}

/**
 * Writes everything that the storage has about an avatar into a new folder, for a person who asks for it
 * (GDPR, articles 15 and 20). A picture that cannot be read is a finding, and the rest is written.
 * @param path of the folder; undefined: one in the working directory that is named after the id
 * @throws UsageError if it is no id, or there is something at the path; the errors of the store and the disk,
 * and nothing is left behind then
 */
export async function runExport(settings: Settings, id: string, path: string | undefined): Promise<Outcome> {
  if (!isId(id)) throw new UsageError(`${JSON.stringify(id)} is not an avatar id.`);
  const folder = resolve(path ?? `visage-export-${encodeId(id)}`);
  if (await statOf(folder)) throw new UsageError(`There is something at ${folder}. Give another folder.`);
  if (!(await statOf(dirname(folder)))) throw new UsageError(`There is no folder ${dirname(folder)}.`);
  const store = openExisting(settings);
  const findings: Finding[] = [];
  const facts = { storage: store.location, folder, versions: 0, pictures: 0, bytes: 0 };
  let manifest: Manifest;
  try {
    manifest = await manifestOf(store, id);
  } catch (error) {
    return { findings: [findingOf(error, manifestKey(id))], facts: { ...facts, folder: null } };
  }
  const pictures = new Map<string, Exported>();
  for await (const picture of picturesOf(store, manifest, (finding) => findings.push(finding))) {
    pictures.set(picture.version, picture);
    facts.bytes += picture.bytes.length;
  }
  facts.versions = manifest.versions.length;
  facts.pictures = pictures.size;
  const isKnown = pictures.size > 0 || (await store.exists(manifestKey(id)));
  if (!isKnown) {
    const message = 'The storage has nothing about this id.';
    return {
      findings: [...findings, { code: 'avatar_not_found', where: id, message }],
      facts: { ...facts, folder: null },
    };
  }
  await writeWhole(folder, async (part) => {
    await mkdir(join(part, 'pictures'), { mode: 0o700 });
    for (const { file, bytes } of pictures.values()) await write(join(part, file), bytes);
    await write(join(part, 'avatar.json'), `${JSON.stringify(describe(manifest, pictures), undefined, 2)}\n`);
    await write(join(part, 'README.txt'), README);
  });
  return { findings, facts };
}

/**
 * The pictures as they are stored: the masters, also of versions that have left the history and still have
 * one, and what an older service left.
 */
async function* picturesOf(
  store: ObjectStore,
  manifest: Manifest,
  report: (finding: Finding) => void,
): AsyncIterable<Exported & { version: string }> {
  const { id, versions } = manifest;
  const missing = new Set(versions.map((version) => masterKey(id, version)));
  for await (const { key } of store.list(prefixOf(id))) {
    const version = versionOf(key);
    const [, format = ''] = /\/(?:master|[0-9a-f-]{36})\.([a-z]+)$/i.exec(key) ?? [];
    if (version === undefined || format === '' || isErased(manifest, version)) continue;
    // Once it is adopted, its master shows the same.
    if (isLegacy(key) && versionNamed(manifest, version)) continue;
    missing.delete(key);
    const object = await readUnlessDamaged(store, key);
    if (object === undefined) continue;
    const named = versionNamed(manifest, version);
    const damage =
      object === 'damaged'
        ? 'The storage has other bytes than were stored.'
        : named && damageOf(object.bytes, named.master, named);
    if (object === 'damaged' || damage !== undefined) {
      report({ code: 'unreadable_master', where: key, message: `${damage ?? ''} It is left out.` });
    } else yield { version, file: `pictures/${version}.${format}`, bytes: object.bytes };
  }
  for (const key of missing) {
    report({ code: 'missing_master', where: key, message: 'The picture is lost, and left out.' });
  }
}

function describe(manifest: Manifest, pictures: ReadonlyMap<string, Exported>) {
  const { id, current, versions, aliases, lock, erasedAt, erased = [] } = manifest;
  const others = [...pictures].filter(([version]) => !versionNamed(manifest, version));
  return {
    id,
    current,
    hidden: hiddenVersion(manifest)?.version ?? null,
    versions: versions.map((version) => ({ ...version, file: pictures.get(version.version)?.file ?? null })),
    otherPictures: others.map(([version, { file }]) => ({ version, file })),
    addresses: { registeredAt: aliases?.at ?? null, hashes: aliasesOf(manifest).map(hashIn) },
    lock: lock ?? null,
    erasedAt: erasedAt ?? null,
    erased,
    exportedAt: new Date().toISOString(),
  };
}

/** Makes a folder that is there whole or not at all, which nobody else may read. */
async function writeWhole(folder: string, fill: (part: string) => Promise<void>): Promise<void> {
  const unusable = (error: unknown) => {
    throw new UsageError(`${folder} can't be made: ${(error as Error).message}. Give another folder.`);
  };
  const part = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`)).catch(unusable);
  try {
    await fill(part);
    await rename(part, folder).catch(unusable);
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}

function write(path: string, content: Buffer | string): Promise<void> {
  return writeFile(path, content, { mode: 0o600, flag: 'wx' });
}
