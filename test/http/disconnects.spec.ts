import { setTimeout as sleep } from 'node:timers/promises';
import { backends } from '../support/backends.js';
import { SEED } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { fileForm } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, head, put } from './support/raw.js';

const CLIENTS = 100;

describe.each(backends)('clients that go away on $name', (backend) => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start(await backend.environment());
  });
  afterAll(() => harness.stop());

  it.each(['bare', 'in a form'] as const)(
    'leave nothing behind, wherever they break off, %s',
    async (guise) => {
      const random = randoms(SEED);
      const content = Buffer.concat([await picture('png'), Buffer.alloc(200_000)]);
      const { headers = {}, body = content } = guise === 'bare' ? {} : fileForm(content);
      const bytes = body as Buffer;
      await harness.leavesNothing(async (path) => {
        for (let client = 0; client < CLIENTS; client++) {
          const connection = await RawConnection.open(harness.service.url);
          const request = head('PUT', path, {
            ...(headers as Record<string, string>),
            'Content-Length': bytes.length,
          });
          const whole = Buffer.concat([Buffer.from(request), bytes]);
          const cut = Math.floor(random() ** 2 * (whole.length - 1));
          connection.send(whole.subarray(0, cut));
          if (client % 3 === 0) connection.reset();
          else if (client % 3 === 1) connection.close();
          else {
            await sleep(random() * 10);
            connection.close();
          }
        }
      });
      expect(harness.service.log()).not.toMatch(/"level":(50|60)/);
    },
  );

  it('leave nothing behind after they have sent everything', async () => {
    const body = Buffer.concat([(await picture('png')).subarray(0, 8), Buffer.alloc(700_000)]);
    await harness.leavesNothing(async (path) => {
      await Promise.all(
        Array.from({ length: CLIENTS }, async () => {
          const { socket } = await RawConnection.open(harness.service.url);
          // Waits only until the last byte was sent.
          await new Promise<void>((resolve) => socket.end(put(path, body), resolve));
        }),
      );
    });
  });
});
