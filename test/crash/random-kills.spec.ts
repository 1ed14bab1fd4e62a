import { createHash } from 'node:crypto';
import { once } from 'node:events';
import sharp from 'sharp';
import { type Manifest, currentVersion } from '../../src/model/manifest.js';
import { send } from '../http/support/client.js';
import { below } from '../http/support/mutations.js';
import { backends, openBackend } from '../support/backends.js';
import { SEED, TORTURE } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { expectSound } from './scene.js';

/** The number of kills for each backend. */
const KILLS = Number(process.env['CRASH_KILLS'] ?? (TORTURE ? 100 : 2));
const WRITERS = 6;
const KILLS_PER_AVATAR = 10;
/** A service is killed after at most this many answers. */
const LONGEST_LIFE = 60;

/** The errors of a connection to a killed process. In the middle of an answer Node calls it `aborted`. */
const BROKEN = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'];

/** What the only writer of an avatar knows about it. */
interface Avatar {
  id: string;
  /** The SHA-256 of each answered upload, by version. */
  answered: Map<string, string>;
  /** What may be current: the SHA-256 of an upload, or `null`. After a request without an answer there are two possibilities. */
  current: (string | null)[];
  requests: number;
}

describe.each(backends)('random kills under load on $name', (backend) => {
  let service: RunningService | undefined;

  afterEach(() => service?.stop());

  it(
    `lose no change that was answered (${KILLS} kills)`,
    async () => {
      const environment = {
        ...(await backend.environment()),
        AVATAR_HISTORY: '1000',
        STORAGE_FALLBACK: 'none',
      };
      const random = randoms(SEED);
      let avatars: Avatar[] = [];
      let [answers, versions] = [0, 0];
      for (let kill = 0; kill < KILLS; kill++) {
        if (kill % KILLS_PER_AVATAR === 0) {
          versions += await account(environment, avatars);
          avatars = Array.from({ length: WRITERS }, (_, i) => unknown(`writer-${i}-${kill}`));
        }
        service = await startProcess(environment);
        answers += await killAfter(1 + below(LONGEST_LIFE, random), service, avatars);
        await service.stop();
      }
      versions += await account(environment, avatars);
      expect(answers).toBeGreaterThan(0);
      process.stderr.write(
        `${backend.name}: ${KILLS} kills, ${answers} changes answered, ${versions} versions found, none missing\n`,
      );
    },
    300_000 + KILLS * 60_000,
  );
});

function unknown(id: string): Avatar {
  return { id, answered: new Map(), current: [null], requests: 0 };
}

/** @returns how many changes were answered, which is at least this many */
async function killAfter(life: number, service: RunningService, avatars: Avatar[]): Promise<number> {
  // Checked right after the start, before new writes can repair what the killed process left.
  await Promise.all(avatars.map((avatar) => expectShown(service, avatar)));
  const ended = once(service.process, 'exit');
  let left = life;
  const countDown = () => {
    if (--left === 0) service.process.kill('SIGKILL');
  };
  const answers = await Promise.all(avatars.map((avatar) => write(service, avatar, countDown)));
  expect(await ended).toEqual([null, 'SIGKILL']);
  return answers.reduce((sum, count) => sum + count, 0);
}

/**
 * Uploads, and now and then deletes, until the service is gone.
 * @param onAnswer called at each answer
 * @returns how many changes were answered
 */
async function write(service: RunningService, avatar: Avatar, onAnswer: () => void): Promise<number> {
  const path = `/v1/avatars/${avatar.id}`;
  for (let answers = 0; ; answers++) {
    const number = ++avatar.requests;
    const removing = number % 5 === 0;
    const body = removing ? undefined : await picture(avatar.id, number);
    const source = body ? createHash('sha256').update(body).digest('hex') : null;
    avatar.current.push(source);
    try {
      const answer = await send(service.url, {
        path,
        ...(body ? { method: 'PUT', body } : { method: 'DELETE' }),
      });
      onAnswer();
      expect([204, 201]).toContain(answer.status);
      avatar.current = [source];
      if (source === null) continue;
      const { version } = JSON.parse(answer.body.toString()) as { version: string };
      avatar.answered.set(version, source);
    } catch (error) {
      if (BROKEN.includes((error as NodeJS.ErrnoException).code ?? '')) return answers;
      throw error;
    }
  }
}

async function expectShown(service: RunningService, { id, answered, current }: Avatar): Promise<void> {
  const { status, headers, body } = await send(service.url, { path: `/v1/avatars/${id}` });
  if (status === 404) {
    expect(current).toContain(null);
    return;
  }
  expect(status).toBe(200);
  await sharp(body).stats();
  const version = /^"([^/]+)\//.exec(headers.etag ?? '')?.[1] ?? '';
  const source = answered.get(version);
  // One that was never answered came from a request that broke.
  if (source === undefined) expect(current.length).toBeGreaterThan(1);
  else expect(current).toContain(source);
}

/** Compares the storage with what the writers were told. @returns how many versions there are */
async function account(environment: Environment, avatars: Avatar[]): Promise<number> {
  const manifests = await expectSound(openBackend(environment));
  const missing: string[] = [];
  let versions = 0;
  for (const { id, answered, current } of avatars) {
    const manifest = manifests.get(id);
    expect(current).toContain((manifest && currentVersion(manifest))?.source ?? null);
    versions += manifest?.versions.length ?? 0;
    for (const [version, source] of answered) {
      if (!has(manifest, version, source)) missing.push(`${version} of ${id}`);
    }
  }
  expect(missing).toEqual([]);
  return versions;
}

function has(manifest: Manifest | undefined, version: string, source: string): boolean {
  return manifest?.versions.some((known) => known.version === version && known.source === source) ?? false;
}

/** A different picture for each request: its name in colours. */
function picture(id: string, number: number): Promise<Buffer> {
  const pixels = createHash('sha256').update(`${id} ${number}`).digest().subarray(0, 27);
  return sharp(pixels, { raw: { width: 3, height: 3, channels: 3 } })
    .resize(96, 96, { kernel: 'nearest' })
    .png()
    .toBuffer();
}
