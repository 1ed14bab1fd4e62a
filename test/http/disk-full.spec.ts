import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { backends } from '../support/service.js';
import { fileForm, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';

const FULL = { status: 507, code: 'storage_full' };
const [local] = backends;

describe('a disk that is full', () => {
  let disk: string;
  let filler: string;
  let photo: Buffer;

  beforeAll(async () => {
    const size = { width: 1000, height: 1000, channels: 3, background: '#808080' } as const;
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
    photo = await sharp({ create: { ...size, noise } })
      .jpeg()
      .toBuffer();
  });
  beforeEach(async () => {
    disk = await mkdtemp(join(tmpdir(), 'visage-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    filler = join(disk, '.locks', 'filler');
  });
  afterEach(async () => {
    execFileSync('umount', [disk]);
    await rmdir(disk);
  });

  it('under the objects: refuses, keeps nothing, deletes, and recovers', async () => {
    const harness = await Harness.start({ ...(await local?.environment()), STORAGE_LOCAL_PATH: disk });
    await harness.takesUploads();
    await writeFile(filler, Buffer.alloc(700 * 1024));
    const before = await harness.traces();
    for (const outgoing of [{ body: photo }, fileForm(photo)]) {
      expect(problemOf(await harness.put('/v1/avatars/large', outgoing))).toEqual(FULL);
      await harness.cleanAs(before);
    }
    expect((await harness.send({ method: 'DELETE', path: '/v1/avatars/good-1' })).status).toBe(204);
    expect((await harness.send({ path: '/v1/avatars/good-1' })).status).toBe(404);
    await rm(filler);
    expect((await harness.put('/v1/avatars/large', { body: photo })).status).toBe(201);
    await harness.stop();
  });

  it('under the spool: refuses, keeps nothing, and recovers', async () => {
    filler = join(disk, 'filler');
    const harness = await Harness.start({ ...(await local?.environment()), UPLOAD_SPOOL_PATH: disk });
    await writeFile(filler, Buffer.alloc(900 * 1024));
    for (const outgoing of [{ body: photo }, fileForm(photo)]) {
      expect(await harness.refusal(outgoing)).toEqual(FULL);
    }
    await rm(filler);
    expect((await harness.put('/v1/avatars/large', { body: photo })).status).toBe(201);
    await harness.stop();
  });
});
