import sharp from 'sharp';
import { UnreadableTiles } from '../../src/images/image-pipeline.js';
import { layOut } from '../../src/model/sheet.js';
import { animation, painted } from '../support/pictures.js';
import { pipelineHere } from '../support/pipeline.js';

const SIZE = 32;
const RED = [200, 30, 30];
const BLUE = [30, 30, 200];

const tile = (color: readonly number[], size = SIZE) =>
  painted(size, size, () => color)
    .webp()
    .toBuffer();

describe('a sheet', () => {
  const pipeline = pipelineHere();

  /** The colour in the middle of each tile. */
  const colors = async (sheet: Buffer, count: number) => {
    const { columns, width, height } = layOut(count, SIZE);
    const { data, info } = await sharp(sheet).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([width, height]);
    return Array.from({ length: count }, (_, i) => {
      const [column, row] = [i % columns, Math.floor(i / columns)];
      const at = 4 * (width * (row + 0.5) * SIZE + (column + 0.5) * SIZE);
      return [...data.subarray(at, at + 4)];
    });
  };
  const near = (wanted: readonly number[]) => wanted.map((value) => expect.closeTo(value, -1.3) as number);

  it('has every tile at its place, and nothing if there is none', async () => {
    const tiles = [await tile(RED), undefined, await tile(BLUE)];
    const sheet = await pipeline.compose(tiles, layOut(3, SIZE));
    const [first, second, third] = await colors(sheet, 3);
    expect([first, third]).toEqual([near([...RED, 255]), near([...BLUE, 255])]);
    expect(second?.[3]).toBe(0);
  });

  it('has no alpha channel if every tile is opaque and the grid is full', async () => {
    const sheet = await pipeline.compose(
      await Promise.all([RED, BLUE].map((color) => tile(color))),
      layOut(2, SIZE),
    );
    expect(await sharp(sheet).metadata()).toMatchObject({ format: 'webp', hasAlpha: false });
  });

  it('enlarges small pictures, and shows the first frame of those that move', async () => {
    const moving = animation(SIZE, SIZE, [() => BLUE, () => RED]);
    const tiles = [await tile(RED, 16), await moving.webp({ loop: 0 }).toBuffer()];
    const sheet = await pipeline.compose(tiles, layOut(2, SIZE));
    expect(await colors(sheet, 2)).toEqual([near([...RED, 255]), near([...BLUE, 255])]);
    expect((await sharp(sheet).metadata()).pages ?? 1).toBe(1);
  });

  it('is the same each time, and tells which tiles cannot be decoded', async () => {
    const [red, blue] = [await tile(RED), await tile(BLUE)];
    const make = () => pipeline.compose([red, blue], layOut(2, SIZE));
    expect((await make()).equals(await make())).toBe(true);
    const broken = [red, Buffer.from('RIFF'), blue, red.subarray(0, red.length / 2)];
    const error: unknown = await pipeline.compose(broken, layOut(4, SIZE)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnreadableTiles);
    expect([...(error as UnreadableTiles).failures.keys()]).toEqual([1, 3]);
  });

  it('waits for its turn like other pictures, and is refused if too many wait', async () => {
    const busy = pipelineHere({ imageConcurrency: 1, imageQueue: 0 });
    const red = await tile(RED);
    const first = busy.compose([red], layOut(1, SIZE));
    await expect(busy.compose([red], layOut(1, SIZE))).rejects.toMatchObject({ code: 'busy' });
    await first;
    expect(busy.turns().renditions).toEqual({ active: 0, waiting: 0 });
  });
});
