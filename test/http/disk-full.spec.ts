import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { local } from '../support/local.js';
import { type Environment, startProcess } from '../support/service.js';
import { needs } from '../support/tools.js';
import { fileForm, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { noise, picture } from './support/pictures.js';

const FULL = { status: 507, code: 'storage_full' };
needs('root')('a disk that is full', () => {
  let disk: string;
  let filler: string;
  let photo: Buffer;
  let harness: Harness;

  beforeAll(async () => {
    photo = await noise(1000, 1000).jpeg().toBuffer();
  });
  const mount = async (options: string) => {
    disk = await mkdtemp(join(tmpdir(), 'visage-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]);
  };
  afterEach(async () => {
    // Also stops one that a failed test left running: it would keep the disk busy.
    await harness.service.stop();
    execFileSync('umount', [disk]);
    await rmdir(disk);
  });

  describe('under the objects', () => {
    let environment: Environment;

    const start = async (options: string) => {
      await mount(options);
      environment = { ...(await local.environment()), STORAGE_LOCAL_PATH: join(disk, 'objects') };
      harness = await Harness.start(environment, { start: startProcess });
      for (const id of ['a', 'b', 'c']) {
        expect((await harness.put(`/v1/avatars/${id}`, { body: await picture('png') })).status).toBe(201);
      }
      filler = join(disk, 'filler');
    };
    const refuses = async () => {
      const before = await harness.traces();
      for (const outgoing of [{ body: photo }, fileForm(photo)]) {
        expect(problemOf(await harness.put('/v1/avatars/large', outgoing))).toEqual(FULL);
        await harness.cleanAs(before);
      }
    };
    const recovers = async () => {
      expect((await harness.put('/v1/avatars/large', { body: photo })).status).toBe(201);
      expect((await harness.send({ path: '/v1/avatars/large' })).status).toBe(200);
      await harness.stop();
    };
    const deletes = async (path: string, status: number) => {
      expect((await harness.send({ method: 'DELETE', path })).status).toBe(status);
      expect((await harness.send({ path: path.split('?', 1)[0] ?? '' })).status).toBe(404);
    };

    it('with no byte left: refuses, keeps nothing, deletes, erases, and recovers', async () => {
      await start('size=8m');
      await fill(filler);
      expect((await statfs(disk)).bfree).toBe(0);
      await refuses();
      // More than once, and while others try to use the space that is free for a moment.
      const uploads = Array.from({ length: 8 }, (_, i) =>
        harness.put(`/v1/avatars/new-${i}`, { body: photo }),
      );
      await Promise.all(['a', 'b'].map((id) => deletes(`/v1/avatars/${id}`, 204)));
      expect((await Promise.all(uploads)).map(({ status }) => status)).toEqual(uploads.map(() => 507));
      // A block that a shorter manifest has set free.
      await fill(`${filler}-2`);
      expect((await statfs(disk)).bfree).toBe(0);
      const restored = await restore('a');
      expect(restored).toBe(200);
      await deletes('/v1/avatars/a', 204);
      await deletes('/v1/avatars/c?erase=true', 200);
      await rm(`${filler}-2`);
      await rm(filler);
      await recovers();
    });

    it('with no inode left: refuses, keeps nothing, deletes, and recovers', async () => {
      await start('size=8m,nr_inodes=400');
      await mkdir(filler);
      await exhaust(async (i) => writeFile(join(filler, String(i)), ''));
      await refuses();
      await deletes('/v1/avatars/a', 204);
      await deletes('/v1/avatars/b', 204);
      await rm(filler, { recursive: true });
      await recovers();
    });

    it('shows in the readiness, which still lets readers in', async () => {
      await start('size=8m');
      await fill(filler);
      await harness.stop();
      harness = await Harness.start(environment, { start: startProcess });
      const ready = await harness.send({ path: '/health/ready' });
      expect(ready.status).toBe(200);
      expect(JSON.parse(ready.body.toString())).toMatchObject({
        status: 'degraded',
        storage: { full: true },
      });
      await deletes('/v1/avatars/a', 204);
      await rm(filler);
      await recovers();
    });

    const restore = async (id: string) => {
      const path = `/v1/avatars/${id}`;
      const { body } = await harness.send({ path: `${path}/versions` });
      const { versions } = JSON.parse(body.toString()) as { versions: { version: string }[] };
      const headers = { 'content-type': 'application/json' };
      const wanted = JSON.stringify({ version: versions[0]?.version });
      return (await harness.send({ method: 'PUT', path: `${path}/current`, headers, body: wanted })).status;
    };
  });

  it('under the spool: refuses, keeps nothing, and recovers', async () => {
    await mount('size=1m');
    filler = join(disk, 'filler');
    harness = await Harness.start(
      { ...(await local.environment()), UPLOAD_SPOOL_PATH: disk },
      { start: startProcess },
    );
    await writeFile(filler, Buffer.alloc(900 * 1024));
    for (const outgoing of [{ body: photo }, fileForm(photo)]) {
      expect(await harness.refusal(outgoing)).toEqual(FULL);
    }
    await rm(filler);
    expect((await harness.put('/v1/avatars/large', { body: photo })).status).toBe(201);
    await harness.stop();
  });
});

/** Writes to a file until the disk is full. */
async function fill(path: string): Promise<void> {
  for (const size of [65_536, 4096, 1]) await exhaust(() => appendFile(path, Buffer.alloc(size)));
}

async function exhaust(task: (i: number) => Promise<unknown>): Promise<void> {
  try {
    for (let i = 0; ; i++) await task(i);
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
}
