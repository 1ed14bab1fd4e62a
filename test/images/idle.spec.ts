import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { picture } from '../http/support/pictures.js';
import { pipelineHere } from '../support/pipeline.js';

const FORMATS = ['png', 'webp', 'avif', 'jpeg'] as const;

describe('a pipeline is idle', () => {
  let folder: string;
  const pipeline = pipelineHere({ imageConcurrency: 1 });
  const file = async (name: string, bytes: Buffer) => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };
  /** @returns the turns at the moment that it is idle, once it is */
  const watch = () => {
    const seen: ReturnType<typeof pipeline.turns>[] = [];
    void pipeline.whenIdle().then(() => seen.push(pipeline.turns()));
    return seen;
  };
  const nothing = { active: 0, waiting: 0 };
  const allIdle = { masters: nothing, renditions: nothing, avif: nothing };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-idle-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it('from the start', async () => {
    await pipeline.whenIdle();
    expect(pipeline.turns()).toEqual(allIdle);
  });

  it('when the last picture of any line is done, and not before', async () => {
    const path = await file('picture', await picture('jpeg'));
    const { bytes } = await pipeline.makeMaster(path);
    const idleAfter: number[] = [];
    const renders = FORMATS.map((format) => pipeline.render(bytes, { size: 64, format }));
    const seen = watch();
    const counted = renders.map((made) => made.then(() => idleAfter.push(seen.length)));
    await Promise.all([...counted, pipeline.makeMaster(path), pipeline.whenIdle()]);
    expect(seen).toEqual([allIdle]);
    expect(idleAfter.slice(0, -1)).toEqual([0, 0, 0]);
  });

  it('when the last picture could not be made', async () => {
    const whole = await picture('jpeg');
    const path = await file('damaged', whole.subarray(0, whole.length / 2));
    const attempt = pipeline.makeMaster(path).catch((error: unknown) => error);
    while (pipeline.turns().masters.active === 0) await new Promise(setImmediate);
    const seen = watch();
    expect(await attempt).toMatchObject({ code: 'unreadable_image' });
    await pipeline.whenIdle();
    expect(seen).toEqual([allIdle]);
  });
});
