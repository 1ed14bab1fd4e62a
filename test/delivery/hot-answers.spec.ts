import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AvatarRepository } from '../../src/avatars/avatar.repository.js';
import { PendingChanges } from '../../src/avatars/pending-changes.js';
import { NoOutbox } from '../../src/outbox/no.outbox.js';
import { Settings } from '../../src/config/settings.js';
import { Fallbacks } from '../../src/delivery/fallbacks.js';
import { GravatarRequests } from '../../src/delivery/gravatar-requests.js';
import { HotAnswers } from '../../src/delivery/hot-answers.js';
import { HotKeys } from '../../src/delivery/hot-keys.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { send } from '../http/support/client.js';

it('a hot answer tells the length of the bytes that it sends, even if others took their place in memory', async () => {
  const settings = new Settings();
  const reads = new AvatarRepository(new MemoryStore(), new PendingChanges(new NoOutbox()), settings);
  const requests = new GravatarRequests(settings, new Fallbacks(settings));
  const hot = new HotAnswers(reads, new HotKeys(requests, settings), settings);
  let bytes = Buffer.alloc(0);
  let controllers = 0;
  const server = createServer((request, response) => {
    controllers++;
    const again = {
      tokens: [],
      memory: { inMemory: () => bytes, isAtHand: () => true },
      key: 'a',
      better: undefined,
    };
    hot.remember(request, { common: {}, whole: {}, etag: '"a"', vary: [], repeat: again });
    response.end(bytes);
  });
  hot.standBefore(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const text of ['the first', 'others', 'and some more of them']) {
    bytes = Buffer.from(text);
    for (let i = 0; i < 2; i++) {
      const { headers, body } = await send(url, { path: '/avatar/a' });
      expect([headers['content-length'], body.toString()]).toEqual([String(text.length), text]);
    }
  }
  expect(controllers).toBe(1);
  await new Promise((resolve) => server.close(resolve));
});
