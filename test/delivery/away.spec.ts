import { setTimeout as sleep } from 'node:timers/promises';
import { RENDITION_FORMATS } from '../../src/model/formats.js';
import { problemOf } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { type Losable, startLosable } from '../support/away.js';
import { AvatarClient, expectStatus, versionOf } from '../support/avatar-client.js';
import { backends } from '../support/backends.js';
import { HANG_MS } from '../support/patience.js';
import { startService } from '../support/service.js';

const clientsOf = (url: string) => ({
  replaced: new AvatarClient(url, 'replaced'),
  deleted: new AvatarClient(url, 'deleted'),
  erased: new AvatarClient(url, 'erased'),
  absent: new AvatarClient(url, 'absent'),
  stranger: new AvatarClient(url, 'stranger'),
});

describe.each(backends)('while the $name storage is away', (backend) => {
  let losable: Losable;
  beforeEach(async () => {
    losable = await startLosable(backend, {
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '100',
    });
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

    for (const suffix of ['', '?default=404', '/exists', '/info', `/${version}/64.webp`]) {
      const before = await losable.calls();
      const answer = await stranger.get(suffix);
      expect([suffix, problemOf(answer)]).toEqual([suffix, { status: 503, code: 'storage_unavailable' }]);
      // One call, which nothing tries again.
      expect([suffix, (await losable.calls()) - before]).toEqual([suffix, 1]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
  });

  it('serves a picture that was uploaded a moment ago, and that nobody has read, in every size and format', async () => {
    const uploads = await Promise.all((['png', 'animatedGif'] as const).map(picture));
    const fresh = uploads.map((_, i) => new AvatarClient(losable.service.url, `fresh-${i}`));
    const versions: string[] = [];
    for (const [i, client] of fresh.entries()) {
      versions.push(versionOf(expectStatus(201, await client.upload(uploads[i] ?? Buffer.alloc(0)))));
    }
    await losable.loseStorage();
    const refused: string[] = [];
    for (const [i, client] of fresh.entries()) {
      const wishes = [16, 32, 100, 1024].flatMap((size) =>
        RENDITION_FORMATS.map((format) => `?size=${size}&format=${format}`),
      );
      for (const suffix of ['', '?size=32', ...wishes, `/${versions[i] ?? ''}/32.webp`]) {
        const { status, headers } = await client.get(suffix);
        if (status !== 200 || headers['cache-control'] !== 'no-store') refused.push(`${status} ${suffix}`);
      }
    }
    expect(refused).toEqual([]);
  });

  it('shows what it last knew, as no-store, and what others changed meanwhile as soon as it is back', async () => {
    const { replaced, deleted, erased, absent, stranger } = clientsOf(losable.service.url);
    const old: string[] = [];
    for (const client of [replaced, deleted, erased]) {
      const version = versionOf(expectStatus(201, await client.upload(await picture('png'))));
      old.push(version);
      for (const suffix of ['?size=32', `/${version}/32.webp`]) expectStatus(200, await client.get(suffix));
    }
    expectStatus(404, await absent.get());

    await losable.loseStorage();
    const other = await startService(losable.elsewhere);
    let now: string[];
    try {
      const others = clientsOf(other.url);
      now = [
        versionOf(expectStatus(201, await others.replaced.upload(await picture('jpeg')))),
        versionOf(expectStatus(201, await others.stranger.upload(await picture('jpeg')))),
        versionOf(expectStatus(201, await others.absent.upload(await picture('jpeg')))),
      ];
      expectStatus(204, await others.deleted.delete());
      expectStatus(200, await others.erased.erase());
      for (const [i, client] of [replaced, deleted, erased].entries()) {
        for (const suffix of ['?size=32', `/${old[i] ?? ''}/32.webp`]) {
          const { headers } = expectStatus(200, await client.get(suffix));
          expect([suffix, headers.etag?.slice(1, 37), headers['cache-control']]).toEqual([
            suffix,
            old[i],
            'no-store',
          ]);
        }
      }
      expectStatus(404, await absent.get());
      expect(problemOf(await stranger.get())).toEqual({ status: 503, code: 'storage_unavailable' });
    } finally {
      await other.stop();
    }

    await losable.regainStorage();
    const giveUp = performance.now() + HANG_MS;
    while ((await replaced.get()).headers['cache-control'] === 'no-store') {
      if (performance.now() > giveUp) throw new Error('the service does not find the storage again');
      await sleep(20);
    }
    const shown = [replaced, stranger, absent];
    for (const [i, client] of shown.entries()) {
      const { headers } = expectStatus(200, await client.get('?size=32'));
      expect([headers.etag?.slice(1, 37), headers['cache-control']]).toEqual([
        now[i],
        expect.stringContaining('max-age') as string,
      ]);
    }
    for (const client of [deleted, erased]) {
      expect(problemOf(await client.get('?size=32'))).toEqual({ status: 404, code: 'avatar_not_found' });
    }
    expectStatus(404, await deleted.get(`/${old[1] ?? ''}/32.webp`));
    expectStatus(404, await erased.get(`/${old[2] ?? ''}/32.webp`));
  });
});
