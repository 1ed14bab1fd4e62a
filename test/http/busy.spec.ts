import { backends } from '../support/service.js';
import { problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture, pngOf } from './support/pictures.js';
import { RawConnection, head, put } from './support/raw.js';

const BUSY = { status: 503, code: 'busy' };
const [local] = backends;

describe('a service with its hands full', () => {
  it('takes so many uploads at once and no more', async () => {
    const harness = await startLocal({ UPLOAD_CONCURRENCY: '1' });
    const body = await picture('png');
    const first = await RawConnection.open(harness.service.url);
    first.send(head('PUT', '/v1/avatars/first', { 'Content-Length': body.length }));
    first.send(body.subarray(0, 100));
    await harness.spooling(1);

    const before = await harness.traces();
    const refused = await harness.put('/v1/avatars/second', { body });
    expect(problemOf(refused)).toEqual(BUSY);
    expect(refused.headers['retry-after']).toBe('1');
    expect((await harness.send({ path: '/v1/avatars/second/exists' })).status).toBe(200);
    await harness.cleanAs(before);

    first.send(body.subarray(100));
    expect((await first.answer()).status).toBe(201);
    first.close();
    await harness.takesUploads();
    await harness.stop();
  });

  it('gives the place of an upload that broke off to the next', async () => {
    const harness = await startLocal({ UPLOAD_CONCURRENCY: '1' });
    for (let n = 0; n < 5; n++) {
      await harness.leavesNothing(async (path) => {
        const broken = await RawConnection.open(harness.service.url);
        broken.send(head('PUT', path, { 'Content-Length': 1000 })).send('x');
        await harness.spooling(1);
        broken.close();
        await harness.spooling(0);
      });
    }
    await harness.stop();
  });

  it('works one picture after the other where none may wait', async () => {
    const harness = await startLocal({ IMAGE_CONCURRENCY: '1', IMAGE_QUEUE: '0' });
    await harness.takesUploads();
    await harness.stop();
  });

  it('lets so many pictures wait for their turn and no more', async () => {
    const harness = await startLocal({ IMAGE_CONCURRENCY: '1', IMAGE_QUEUE: '1' });
    const slow = pngOf({ width: 7000, height: 7000, bits: 1 });
    const uploads = await harness.atOnce(
      Array.from({ length: 8 }, (_, n) => put(`/v1/avatars/slow-${n}`, slow)),
    );
    const answers = await Promise.all(uploads.map((upload) => upload.answer()));
    const refused = answers.filter(({ status }) => status !== 201);
    // All of them have arrived when the first is begun.
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(8);
    for (const answer of refused) {
      expect(problemOf(answer)).toEqual(BUSY);
      expect(answer.headers['retry-after']).toBe('1');
    }
    const { stored, spooled } = await harness.traces();
    const avatars = new Set(stored.flatMap((key) => /slow-\d/.exec(key) ?? []));
    expect({ avatars: avatars.size, spooled }).toEqual({ avatars: 8 - refused.length, spooled: [] });
    await harness.takesUploads();
    await harness.stop();
  });
});

async function startLocal(settings: Record<string, string>): Promise<Harness> {
  return Harness.start({ ...(await local?.environment()), ...settings });
}
