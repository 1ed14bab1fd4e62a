import { AvatarClient, expectStatus, jsonOf, numbered } from '../support/avatar-client.js';
import { hashEmail } from '../../src/model/alias.js';
import { local } from '../support/local.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { RecordingServer } from '../support/recording-server.js';

const SECRET = 'wJalrXUtnFEMI-example-secret';

/** What CloudFront answers: https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html */
const CREATED = {
  status: 201,
  body: `<?xml version="1.0"?><Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I1</Id>
<Status>InProgress</Status><CreateTime>2026-11-26T19:00:00.000Z</CreateTime></Invalidation>`,
};
const refused = (code: string, status: number) => ({
  status,
  body: `<?xml version="1.0"?><ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error>
<Type>Sender</Type><Code>${code}</Code><Message>No.</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
});

let api: RecordingServer;
let service: RunningService | undefined;
beforeEach(async () => {
  api = await RecordingServer.start();
  api.answering = () => CREATED;
});
afterEach(async () => {
  await service?.stop();
  api.stop();
});

const start = async (more: Environment = {}) => {
  service = await startService({
    ...(await local.environment()),
    CDN_PURGE: 'cloudfront',
    CDN_CLOUDFRONT_DISTRIBUTION_ID: 'E2EXAMPLE1ABCD',
    // The SDK's own variables.
    AWS_ENDPOINT_URL_CLOUDFRONT: api.url,
    AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: SECRET,
    CACHE_MAX_AGE_MS: '0',
    ...more,
  });
  return service;
};
const itemsOf = (body: string) => [...body.matchAll(/<Path>(.*?)<\/Path>/g)].map(([, path]) => path);

describe('CloudFront', () => {
  it('gets an invalidation of the paths of an avatar in every spelling, and of its hashes', async () => {
    const running = await start();
    const client = new AvatarClient(running.url, encodeURIComponent('a|b'));
    expectStatus(201, await client.upload(await numbered(1)));
    const [hash = ''] = hashEmail('alice@example.org');
    expectStatus(200, await client.setAliases({ hashes: [hash] }));
    const receipt = jsonOf(expectStatus(200, await client.erase()));
    const paths = ['/v1/avatars/a|b', '/v1/avatars/a%7Cb', '/v1/avatars/a~7cb', '/v1/avatars/a%7E7cb'];
    expect(receipt).toMatchObject({ purged: { accepted: true, paths: [...paths, '/avatar/-'] } });
    for (const { method, url: path, body, headers } of api.asked) {
      expect([method, path]).toEqual(['POST', '/2020-05-31/distribution/E2EXAMPLE1ABCD/invalidation']);
      expect(headers.authorization).toContain('/us-east-1/cloudfront/');
      const items = itemsOf(body);
      expect(body).toContain(`<Quantity>${items.length}</Quantity>`);
      expect(items.slice(0, 3)).toEqual(['/v1/avatars/a%7Cb*', '/v1/avatars/a~7cb*', '/v1/avatars/a%7E7cb*']);
    }
    const references = api.asked.map(({ body }) => /<CallerReference>(.+?)</.exec(body)?.[1]);
    expect(new Set(references).size).toBe(references.length);
    expect(itemsOf(api.asked.at(-1)?.body ?? '')).toContain(`/avatar/${hash}*`);
    expect(running.log()).not.toContain(hash);
  });

  it('gets tags instead if the distribution knows them', async () => {
    const { url } = await start({ CDN_CLOUDFRONT_BY: 'tags' });
    const client = new AvatarClient(url, 'alice');
    const tag = (await client.get('?default=identicon')).headers['cache-tag'] as string;
    expect(jsonOf(await client.erase())).toMatchObject({ purged: { accepted: true, tags: [tag] } });
    expect(itemsOf(api.asked.at(-1)?.body ?? '')).toEqual([`#${tag}`]);
  });

  it.each([
    ['TooManyInvalidationsInProgress', 400, /15 wildcard paths/],
    ['AccessDenied', 403, /cloudfront:CreateInvalidation/],
    ['NoSuchDistribution', 404, /CDN_CLOUDFRONT_DISTRIBUTION_ID/],
  ])('has its refusal %s in the log, with advice and without secrets', async (code, status, advice) => {
    api.answering = () => refused(code, status);
    const running = await start();
    const client = new AvatarClient(running.url, 'alice');
    expect(jsonOf(await client.erase())).toMatchObject({ purged: { accepted: false } });
    await running.logged(advice);
    expect(running.log()).toContain(`CloudFront refused an invalidation: ${code}`);
    expect(running.log()).not.toContain(SECRET);
  });

  it('is given up on after a while if it hangs', async () => {
    api.answering = () => 'hang';
    const running = await start({ CONSTANT_CDN_TIMEOUT_MS: '300' });
    expect(jsonOf(await new AvatarClient(running.url, 'alice').erase())).toMatchObject({
      purged: { accepted: false },
    });
    await running.logged(/CloudFront did not answer an invalidation within 300 ms/);
  });
});
