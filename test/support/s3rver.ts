import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestS3 } from './s3.js';

/** Starts s3rver, which ignores preconditions and overwrites. */
export async function startS3rver(): Promise<TestS3 & { stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-s3rver-'));
  // It ends if an object is deleted while it opens it. The reader of that object then runs into its deadline and asks again.
  const program = `process.on('uncaughtException', (error) => { if (error.code !== 'ENOENT') throw error });
    new (require('s3rver'))({ port: 0, address: '127.0.0.1', silent: true, directory: process.argv[1] })
    .run().then(({ port }) => console.log(port))`;
  const child = spawn(process.execPath, ['-e', program, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [banner] = (await once(child.stdout, 'data')) as [Buffer];
  const endpoint = `http://127.0.0.1:${banner.toString().trim()}`;
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill();
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  return { endpoint, endpoints: [endpoint], region: 'us-east-1', ...keys, stop };
}
