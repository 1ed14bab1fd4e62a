import { readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { manifestKey, pictureKey } from '../../src/model/keys.js';
import { type Manifest } from '../../src/model/manifest.js';
import { problemOf } from '../http/support/client.js';
import { uniquePng } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

const NAMES = ['32.jpeg', '32.png', '32.webp', '32.avif', '32.gif'];
const UNREADABLE = { status: 503, code: 'picture_unreadable' };

/** A picture of which one replica has made all of these, and what they are. */
interface Sound {
  id: string;
  version: string;
  bytes: Map<string, Buffer>;
}

describe('a picture that was damaged in the storage', () => {
  let environment: Environment;
  /** Makes the pictures. */
  let before: RunningService;
  /** Another replica: it has seen none of them. */
  let after: RunningService;
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await local.environment()), AVATAR_WARM_SIZES: '0', AVATAR_HISTORY: '1' };
    before = await startService(environment);
    after = await startService(environment);
  });
  afterAll(() => Promise.all([before.stop(), after.stop()]));

  const fileOf = (key: string) => join(environment['STORAGE_LOCAL_PATH'] ?? '', key);
  const file = ({ id, version }: Sound, name: string) => fileOf(pictureKey(id, version, name));
  const sound = async (...names: string[]): Promise<Sound> => {
    const id = `avatar-${++count}`;
    const client = new AvatarClient(before.url, id);
    const version = versionOf(expectStatus(201, await client.upload(await uniquePng(id))));
    const made: Sound = { id, version, bytes: new Map() };
    for (const name of ['master.jpeg', ...names]) {
      const { body } = expectStatus(200, await client.get(`/${version}/${name}`));
      made.bytes.set(name, body);
      await until(
        async () => (await readFile(file(made, name)).catch(() => undefined))?.equals(body) === true,
      );
    }
    return made;
  };
  const until = async (holds: () => Promise<boolean>) => {
    while (!(await holds())) await sleep(5);
  };
  const ask = ({ id }: Sound, suffix: string) => new AvatarClient(after.url, id).get(suffix);
  const asked = ({ id, version }: Sound, name: string) =>
    new AvatarClient(after.url, id).get(`/${version}/${name}`);
  const change = async (path: string, how: (bytes: Buffer) => Buffer) => {
    await writeFile(path, how(await readFile(path)));
  };

  it.each(NAMES)(
    'is made again from its master and replaced: a rendition that is cut off, %s',
    async (name) => {
      const whole = await sound(name);
      const bytes = whole.bytes.get(name);
      await change(file(whole, name), (all) => all.subarray(0, all.length - 5));
      const answer = expectStatus(200, await asked(whole, name));
      expect(answer.body.equals(bytes ?? Buffer.alloc(0))).toBe(true);
      await until(async () => (await readFile(file(whole, name))).equals(answer.body));
      expectStatus(200, await asked(whole, name));
      const key = pictureKey(whole.id, whole.version, name);
      await after.logged(new RegExp(`"level":40.*"${key}".*made again`));
      expect(after.log().split(key)).toHaveLength(2);
    },
  );

  it('is made again if it is empty', async () => {
    const whole = await sound('32.webp');
    await truncate(file(whole, '32.webp'), 0);
    const { body, headers } = expectStatus(200, await ask(whole, '?size=32&format=webp'));
    expect([body.equals(whole.bytes.get('32.webp') ?? Buffer.alloc(0)), headers['content-type']]).toEqual([
      true,
      'image/webp',
    ]);
    await until(async () => (await readFile(file(whole, '32.webp'))).equals(body));
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['breaks off', (all) => all.subarray(0, all.length / 2)],
    ['is empty', () => Buffer.alloc(0)],
    [
      'differs in one bit',
      (all) => {
        const changed = Buffer.from(all);
        changed.writeUInt8(all.readUInt8(all.length - 40) ^ 1, all.length - 40);
        return changed;
      },
    ],
    ['is another picture', () => Buffer.from('GIF89a')],
  ])('is never shown or used: a master that %s', async (_, how) => {
    const whole = await sound('32.webp');
    const path = file(whole, 'master.jpeg');
    const master = await readFile(path);
    await change(path, how);
    const damaged = await readFile(path);
    for (const suffix of ['', '?size=48&format=png']) {
      expect([suffix, problemOf(await ask(whole, suffix))]).toEqual([suffix, UNREADABLE]);
    }
    const stable = await ask(whole, '');
    expect([stable.headers['cache-control'], stable.body.includes('"The picture of this avatar')]).toEqual([
      'no-store',
      true,
    ]);
    expect(problemOf(await asked(whole, 'master.jpeg'))).toEqual(UNREADABLE);
    expect(problemOf(await asked(whole, '48.gif'))).toEqual(UNREADABLE);
    // What is whole is shown, and what is damaged stays for whoever looks into it.
    const shown = expectStatus(200, await ask(whole, '?size=32&format=webp'));
    expect(shown.body.equals(whole.bytes.get('32.webp') ?? Buffer.alloc(0))).toBe(true);
    expect((await readFile(path)).equals(damaged)).toBe(true);
    const key = pictureKey(whole.id, whole.version, 'master.jpeg');
    await after.logged(new RegExp(`"level":50.*${key} is damaged.*Restore`));

    await writeFile(path, master);
    expect(expectStatus(200, await ask(whole, '')).body.equals(master)).toBe(true);
    expectStatus(200, await ask(whole, '?size=48&format=png'));
  });

  it('is not made again if its master is damaged too', async () => {
    const whole = await sound('32.webp');
    await truncate(file(whole, '32.webp'), 9);
    await truncate(file(whole, 'master.jpeg'), 99);
    expect(problemOf(await asked(whole, '32.webp'))).toEqual(UNREADABLE);
    expect(await readFile(file(whole, '32.webp'))).toHaveLength(9);
  });

  it('is noticed even without a checksum: in a version that left the history, and in one of the first releases', async () => {
    const left = await sound();
    expectStatus(201, await new AvatarClient(before.url, left.id).upload(await uniquePng('another')));
    const first = await sound();
    await change(fileOf(manifestKey(first.id)), (bytes) => {
      const manifest = JSON.parse(bytes.toString()) as Manifest;
      for (const version of manifest.versions) delete version.sha256;
      return Buffer.from(JSON.stringify(manifest));
    });
    for (const whole of [left, first]) {
      const master = await readFile(file(whole, 'master.jpeg'));
      await truncate(file(whole, 'master.jpeg'), master.length - 2);
      expect(problemOf(await asked(whole, 'master.jpeg'))).toEqual(UNREADABLE);
      await writeFile(file(whole, 'master.jpeg'), master);
      expectStatus(200, await asked(whole, 'master.jpeg'));
    }
  });

  it('counts as lost, not as absent, if its master is gone, and nothing is shown in its place', async () => {
    const whole = await sound('32.webp');
    await unlink(file(whole, 'master.jpeg'));
    for (const answer of [
      await ask(whole, ''),
      await ask(whole, '?default=mp'),
      await asked(whole, 'master.jpeg'),
      await asked(whole, '48.png'),
    ]) {
      expect(problemOf(answer)).toEqual(UNREADABLE);
    }
    expectStatus(200, await asked(whole, '32.webp'));
    // What never was is absent as before.
    expectStatus(404, await asked(whole, 'master.webp'));
    expectStatus(404, await asked(whole, '1025.png'));
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['damaged', (path) => truncate(path, 99)],
    ['lost', unlink],
  ])('comes back if it is uploaded again after it was %s', async (_, harm) => {
    const whole = await sound();
    const client = new AvatarClient(after.url, whole.id);
    const source = await uniquePng(whole.id);
    expect(versionOf(expectStatus(200, await client.upload(source)))).toBe(whole.version);
    await harm(file(whole, 'master.jpeg'));
    const version = versionOf(expectStatus(201, await client.upload(source)));
    expect(version).not.toBe(whole.version);
    expectStatus(200, await client.get());
    expect(versionOf(expectStatus(200, await client.upload(source)))).toBe(version);
  });
});
