import { createHash } from 'node:crypto';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { decodeId } from '../../src/model/keys.js';
import { readManifest } from '../../src/model/manifest-format.js';
import type { Manifest } from '../../src/model/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { openBackend } from '../support/backends.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

/** Twice the age, in s, at which a temporary file's writer counts as dead. */
const LONG_AGO_S = 7200;

/** A small PNG, whose master is a JPEG of more than one write(2). */
export const LARGE = await large();
export const SMALL = await picture('png');

/** What an avatar shows: nothing, or the master made from this picture. */
export type Shown = 'nothing' | 'small' | 'large';

/** A storage with a few avatars, on which services are killed. */
export class Scene {
  private constructor(
    readonly environment: Environment,
    /** The bytes of the masters, as they were served before the first kill. */
    private readonly masters: Record<Exclude<Shown, 'nothing'>, Buffer>,
  ) {}

  /** Creates the storage, in which the avatars `small` and `large` have these pictures. */
  static async prepare(environment: Environment): Promise<Scene> {
    const service = await startService(environment);
    await change(service, 'PUT', 'small', SMALL);
    await change(service, 'PUT', 'large', LARGE);
    const masters = { small: await master(service, 'small'), large: await master(service, 'large') };
    await service.stop();
    return new Scene(environment, masters);
  }

  /**
   * Starts the service again after it was killed, and expects that all is well: what was answered is there byte for byte,
   * once and no more, nothing half is visible, nothing dangles, what died with the process is swept away, what waited is carried
   * out, and it takes changes again.
   * @returns what the avatar shows
   */
  async recover(id: string): Promise<Shown> {
    await this.age();
    const service = await startService(this.environment);
    try {
      expect(await this.temporary()).toEqual([]);
      await until(async () => (await waiting(service)) === 0);
      for (const name of ['small', 'large'] as const) expect(await this.shown(service, name)).toBe(name);
      const shown = await this.shown(service, id);
      const manifest = (await expectSound(openBackend(this.environment))).get(id);
      const times = manifest?.versions.filter(({ source }) => source === sha256Of(LARGE)).length ?? 0;
      expect(times).toBe(shown === 'large' ? 1 : 0);
      expect(await change(service, 'PUT', id, LARGE)).toBe(shown === 'large' ? 200 : 201);
      expect(await this.shown(service, id)).toBe('large');
      expect(await change(service, 'DELETE', id)).toBe(204);
      expect(await this.shown(service, id)).toBe('nothing');
      await expectSound(openBackend(this.environment));
      expect(await change(service, 'DELETE', `${id}?erase=true`)).toBe(200);
      for await (const { key } of openBackend(this.environment).list(`avatars/${id}/`))
        expect(key).toBe('erased');
      return shown;
    } finally {
      await service.stop();
    }
  }

  private async shown(service: RunningService, id: string): Promise<Shown> {
    const { status, body } = await send(service.url, { path: `/v1/avatars/${id}` });
    if (status === 404) return 'nothing';
    expect(status).toBe(200);
    if (body.equals(this.masters.small)) return 'small';
    expect(body.equals(this.masters.large)).toBe(true);
    return 'large';
  }

  /** The files that writers have not finished. */
  private async temporary(): Promise<string[]> {
    const { STORAGE_LOCAL_PATH: root, UPLOAD_SPOOL_PATH: spool, OUTBOX_PATH: outbox } = this.environment;
    const folders = [
      ...(root === undefined ? [] : [join(root, '.tmp')]),
      ...(spool === undefined ? [] : [spool]),
      ...(outbox === undefined ? [] : [join(outbox, 'slot-0', '.tmp')]),
    ];
    const files = await Promise.all(
      folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
    );
    return files.flat();
  }

  private async age(): Promise<void> {
    const longAgo = Date.now() / 1000 - LONG_AGO_S;
    for (const path of await this.temporary()) await utimes(path, longAgo, longAgo);
  }
}

/**
 * Expects every version of every manifest to have its master byte for byte, and all else to be of the kinds that may be collected:
 * whole pictures that no manifest names, and the object of a start-up probe that was killed.
 */
export async function expectSound(store: ObjectStore): Promise<Map<string, Manifest>> {
  const manifests = new Map<string, Manifest>();
  const named = new Set<string>();
  for await (const { key } of store.list('manifests/')) {
    const written = /^manifests\/(.+)\.json$/.exec(key)?.[1] ?? '';
    const manifest = readManifest(decodeId(written), await bytesOf(store, key));
    manifests.set(manifest.id, manifest);
    if (manifest.current !== null)
      expect(manifest.versions.map(({ version }) => version)).toContain(manifest.current);
    for (const { version, master: format, sha256 } of manifest.versions) {
      const picture = `avatars/${written}/${version}/master.${format}`;
      expect([picture, sha256Of(await bytesOf(store, picture))]).toEqual([picture, sha256]);
      named.add(picture);
    }
  }
  for await (const { key } of store.list('')) {
    expect(key).toMatch(
      /^(avatars\/[^/]+\/[0-9a-f-]{36}\/(master|\d+)\.(jpeg|png|webp)|manifests\/[^/]+\.json|adoption\/complete\.json|probes\/.+)$/,
    );
    if (!named.has(key) && key.startsWith('avatars/')) await sharp(await bytesOf(store, key)).stats();
  }
  return manifests;
}

/** @returns the answer's status */
export async function change(
  service: RunningService,
  method: 'PUT' | 'DELETE',
  id: string,
  body?: Buffer,
): Promise<number> {
  const { status } = await send(service.url, { method, path: `/v1/avatars/${id}`, ...(body && { body }) });
  return status;
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

/** Changes in the outbox. */
async function waiting(service: RunningService): Promise<number> {
  const { body } = await send(service.url, { path: '/health/ready' });
  const { outbox } = JSON.parse(body.toString()) as { outbox?: { entries: number; setAside: number } };
  expect(outbox?.setAside ?? 0).toBe(0);
  return outbox?.entries ?? 0;
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function master(service: RunningService, id: string): Promise<Buffer> {
  const { status, body } = await send(service.url, { path: `/v1/avatars/${id}` });
  expect(status).toBe(200);
  return body;
}

async function bytesOf(store: ObjectStore, key: string): Promise<Buffer> {
  const object = await store.get(key);
  if (object === undefined || object === 'unchanged') throw new Error(`${key} is missing`);
  return object.bytes;
}

/** The same eight rows of noise repeated: small as a PNG, large as a JPEG. */
async function large(): Promise<Buffer> {
  const [width, rows, repeats] = [1024, 8, 128];
  const noise = Buffer.alloc(width * rows * 3);
  for (let i = 0, seed = 1; i < noise.length; i++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    noise[i] = seed >>> 24;
  }
  const pixels = Buffer.concat(Array.from({ length: repeats }, () => noise));
  return sharp(pixels, { raw: { width, height: rows * repeats, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}
