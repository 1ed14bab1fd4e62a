import { problemOf } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { type Losable, startLosable } from '../support/away.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { backends } from '../support/service.js';

describe.each(backends)('while the $name storage is away', (backend) => {
  let losable: Losable;
  beforeEach(async () => {
    losable = await startLosable(backend);
  });
  afterEach(() => losable.stop());

  it('serves pictures from memory and generated ones, and answers 503 for all others after a single call', async () => {
    const [shown, bare, stranger] = ['shown', 'bare', 'stranger'].map(
      (id) => new AvatarClient(losable.service.url, id),
    ) as [AvatarClient, AvatarClient, AvatarClient];
    const version = versionOf(expectStatus(201, await shown.upload(await picture('png'))));
    const immutable = `/${version}/32.webp`;
    const reads = ['', '?size=32&format=webp', immutable];
    const before = await Promise.all(reads.map(async (suffix) => expectStatus(200, await shown.get(suffix))));
    const drawn = expectStatus(200, await bare.get('?default=identicon'));
    expectStatus(404, await bare.get());

    await losable.loseStorage();
    for (const [i, suffix] of reads.entries()) {
      const answer = await shown.get(suffix);
      expect([answer.status, answer.body]).toEqual([200, before[i]?.body]);
      const etag = answer.headers.etag ?? '';
      const known = await shown.send({ suffix, headers: { 'if-none-match': etag } });
      expect([known.status, known.body.length]).toEqual([304, 0]);
      // Nobody could tell that it was erased elsewhere, so nobody is to keep it.
      for (const { headers } of [answer, known]) expect(headers['cache-control']).toBe('no-store');
      expect((await shown.send({ method: 'HEAD', suffix })).status).toBe(200);
    }
    // Made of the master that is in memory, and drawn anew.
    expectStatus(200, await shown.get('?size=64&format=jpeg'));
    const redrawn = await bare.get('?default=identicon');
    expect([redrawn.body, redrawn.headers['cache-control']]).toEqual([drawn.body, 'no-store']);
    expectStatus(200, await bare.get('?default=retro&size=64&format=png'));
    // Of whom it knew that there is nothing, it says so still.
    expectStatus(404, await bare.get());

    for (const suffix of ['', '?default=identicon', '/exists', '/info', `/${version}/64.webp`]) {
      const before = await losable.calls();
      const answer = await stranger.get(suffix);
      expect([suffix, problemOf(answer)]).toEqual([suffix, { status: 503, code: 'storage_unavailable' }]);
      // One call, which nothing tries again.
      expect([suffix, (await losable.calls()) - before]).toEqual([suffix, 1]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
  });
});
