import { bearer, item } from '../support/api-keys.js';
import { numbered } from '../support/avatar-client.js';
import { s3Environment } from '../support/backends.js';
import { Cluster } from '../support/cluster.js';
import { TORTURE } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';
import { SIGNING_KEY } from '../support/tickets.js';

const CLIENTS = 100;
const REPLICAS = 3;
const ROUNDS = TORTURE ? 20 : 1;
/** After how many answers of a round a replica is killed. The first ones come while most uploads are under way. */
const KILLS = [1, 40];

describeS3(`one ticket in the hands of ${CLIENTS} clients`, () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const environment = {
      ...(await s3Environment()),
      API_KEYS: item('app', 'admin'),
      SIGNING_KEYS: SIGNING_KEY,
      CACHE_MAX_AGE_MS: '0',
    };
    cluster = await Cluster.start(Array.from({ length: REPLICAS }, () => environment));
  });
  afterAll(() => cluster.stop());

  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    `uploads one picture on ${REPLICAS} replicas, of which ${KILLS.length} are killed (round %i)`,
    async (round) => {
      const path = `/v1/avatars/round-${round}`;
      const app = { headers: bearer('app') };
      const made = await cluster.ask(0, { ...app, method: 'POST', path: `${path}/tickets`, body: '{}' });
      const headers = bearer(String(made.body?.['ticket']));
      const pictures = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => numbered(i)));
      const kills: Promise<unknown>[] = [];
      let answered = 0;

      /** Sends a picture to one replica after the other, until one says what came of it. */
      const upload = async (picture: Buffer, client: number) => {
        for (let replica = client; ; replica++) {
          const request = { method: 'PUT', path, headers, body: picture };
          const answer = await cluster.ask(replica % REPLICAS, request).catch(() => undefined);
          answered++;
          const kill = KILLS.indexOf(answered);
          if (kill !== -1) kills.push(cluster.restart((round + kill) % REPLICAS, 'SIGKILL'));
          if (answer && answer.status !== 503) return answer;
        }
      };
      const answers = await Promise.all(pictures.map(upload));
      await Promise.all(kills);

      const won = answers.filter(({ status }) => status === 201 || status === 200);
      const lost = answers.filter(({ body }) => body?.['code'] === 'ticket_used');
      expect([won.length, lost.length]).toEqual([1, CLIENTS - 1]);
      for (let replica = 0; replica < REPLICAS; replica++) {
        const { body } = await cluster.ask(replica, { ...app, path: `${path}/versions` });
        expect(body).toMatchObject({
          current: won[0]?.body?.['version'],
          versions: [{ by: { kind: 'ticket' } }],
        });
      }
    },
  );
});
