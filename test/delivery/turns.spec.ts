import { setTimeout as sleep } from 'node:timers/promises';
import { AvatarEvents } from '../../src/avatars/avatar.events.js';
import { AvatarObjects } from '../../src/avatars/avatar.objects.js';
import { AvatarRepository } from '../../src/avatars/avatar.repository.js';
import { PendingChanges } from '../../src/avatars/pending-changes.js';
import { NoOutbox } from '../../src/outbox/no.outbox.js';
import { Settings } from '../../src/config/settings.js';
import { BackgroundRenditions } from '../../src/delivery/background-renditions.js';
import { Renditions } from '../../src/delivery/renditions.js';
import { StoredRenditions } from '../../src/delivery/stored-renditions.js';
import type { ImagePipeline } from '../../src/images/image-pipeline.js';
import { pictureKey } from '../../src/model/keys.js';
import { type Rendition, keyOfPicture } from '../../src/model/rendition.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { picture } from '../http/support/pictures.js';
import { longWebp } from '../images/containers.js';
import { pipelineHere } from '../support/pipeline.js';

const VERSION = '01890a5d-ac96-774b-bcce-b302099a8057';

describe('renditions that wait for their turn', () => {
  let store: MemoryStore;
  let pipeline: ImagePipeline;
  let renditions: Renditions;
  let background: BackgroundRenditions;
  /** The avatars in the order they were answered. */
  let answered: string[];

  const open = (concurrency: number, timeoutMs: number) => {
    store = new MemoryStore();
    pipeline = pipelineHere({ imageConcurrency: concurrency, imageTimeoutMs: timeoutMs });
    const settings = Object.assign(new Settings(), { avatarSizes: [], avatarWarmSizes: [] });
    const pending = new PendingChanges(new NoOutbox());
    const repository = new AvatarRepository(store, pending, settings);
    const objects = new AvatarObjects(store, settings);
    const stored = new StoredRenditions(store, repository, objects, pending);
    renditions = new Renditions(stored, pipeline, new AvatarEvents(), settings);
    background = new BackgroundRenditions(renditions, pipeline, new AvatarEvents(), settings);
  };
  const avatar = async (id: string, master: Buffer) => {
    await store.store(pictureKey(id, VERSION, 'master.webp'), master);
  };
  const ask = async (id: string, rendition: Rendition) => {
    try {
      return await renditions.get({ id, version: VERSION, master: 'webp', rendition });
    } finally {
      answered.push(id);
    }
  };
  const turns = () => pipeline.turns().renditions;
  const until = async (holds: () => boolean) => {
    while (!holds()) await sleep(1);
  };

  it('get it avatar by avatar, however many wait for the same avatar', async () => {
    let cameInTime;
    // Try again if the rendition that holds the turn was finished before all others waited.
    do {
      open(1, 120_000);
      answered = [];
      for (const id of ['many', 'one']) await avatar(id, await picture('webp'));
      const many = Array.from({ length: 12 }, (_, i) =>
        ask('many', { size: 1000 - i, format: 'png', exact: true, unstored: true }),
      );
      await until(() => turns().waiting === 11 || answered.length > 0);
      const one = ask('one', { size: 16, format: 'png' });
      await until(() => turns().waiting === 12 || answered.length > 0);
      cameInTime = answered.length === 0;
      await Promise.all([...many, one]);
    } while (!cameInTime);
    expect(answered.indexOf('one')).toBe(1);
  });

  it('get it before those of sizes that anybody can make up, be they of the same avatar or of many', async () => {
    let cameInTime;
    // Try again if the rendition that holds the turn was finished before all others waited.
    do {
      open(1, 120_000);
      answered = [];
      const others = ['many', 'more', 'most'];
      for (const id of others) await avatar(id, await picture('webp'));
      const madeUp = Array.from({ length: 13 }, (_, i) =>
        ask(others[i % 3] ?? '', {
          size: 1000 - i,
          format: 'png',
          ...(i % 2 === 0 && { exact: true as const }),
          unstored: true,
        }),
      );
      await until(() => turns().waiting === 12 || answered.length > 0);
      const known = ask('many', { size: 16, format: 'webp' });
      await until(() => turns().waiting === 13 || answered.length > 0);
      cameInTime = answered.length === 0;
      await Promise.all([...madeUp, known]);
    } while (!cameInTime);
    expect(answered.slice(0, 2)).toEqual(['many', 'many']);
  });

  it('in the background wait until nobody else waits, but no reader of the same picture does', async () => {
    const [asked, planned] = [32, 16].map((size) => ({
      ...{ id: 'planned', version: VERSION, master: 'webp' as const },
      rendition: { size, format: 'png' as const },
    }));
    if (!asked || !planned) throw new Error('two of two');
    let cameInTime;
    // Try again if the rendition that holds the turn was finished before the others came.
    do {
      open(1, 120_000);
      answered = [];
      for (const id of ['busy', 'planned']) await avatar(id, await picture('webp'));
      const busy = ask('busy', { size: 1000, format: 'png', exact: true, unstored: true });
      await until(() => turns().active === 1 || answered.length > 0);
      for (const one of [asked, planned]) background.plan(one);
      const reader = ask('planned', asked.rendition);
      await until(() => turns().waiting === 1 || answered.length > 0);
      cameInTime = answered.length === 0;
      await Promise.all([busy, reader]);
    } while (!cameInTime);
    expect(answered).toEqual(['busy', 'planned']);
    const isAtHand = () => renditions.isAtHand(keyOfPicture(planned));
    expect(isAtHand()).toBe(false);
    await until(isAtHand);
  });

  it('get a turn that long animations may not take', async () => {
    open(2, 500);
    answered = [];
    for (const id of ['long', 'longer']) await avatar(id, await longWebp());
    await avatar('small', await picture('animatedWebp'));
    const long = ['long', 'longer'].map((id) => ask(id, { size: 1024, format: 'gif' }));
    const failed = Promise.allSettled(long);
    await until(() => turns().active + turns().waiting === 2);
    expect(turns()).toEqual({ active: 1, waiting: 1 });
    // A machine may be so slow that this takes as long.
    await Promise.allSettled([ask('small', { size: 32, format: 'gif' })]);
    expect(await failed).toMatchObject([{ reason: { code: 'busy' } }, { reason: { code: 'busy' } }]);
    expect(answered[0]).toBe('small');
  });
});
