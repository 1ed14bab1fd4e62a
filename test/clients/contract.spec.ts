import sharp from 'sharp';
import { Visage, VisageError } from '../../clients/typescript/src/index.js';
import {
  type OpenApi,
  type Operation,
  type Schema,
  Schemas,
  contentFor,
  parseOpenApi,
} from '../http/support/openapi.js';
import { item } from '../support/api-keys.js';
import { numbered } from '../support/avatar-client.js';
import { backends } from '../support/backends.js';
import { local } from '../support/local.js';
import { type RunningService, startService } from '../support/service.js';
import { SIGNING_KEY } from '../support/tickets.js';
import { type Exchange, Front } from './front.js';
import { described, typesOf } from './types.js';

const KEY = 'app';

async function documentOf(url: string): Promise<OpenApi> {
  return parseOpenApi(await (await fetch(`${url}/docs-json`)).text());
}

const SETTINGS = { API_KEYS: item(KEY, 'admin'), SIGNING_KEYS: SIGNING_KEY, AVATAR_SIZES: '32,64' };

/** Which operation a call is, and its path's parameters. */
function operationOf(
  { paths }: OpenApi,
  { method, url }: Exchange,
): { operation: Operation; path: Record<string, string> } | undefined {
  for (const [template, operations] of Object.entries(paths)) {
    const pattern = template.replaceAll('.', String.raw`\.`).replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)');
    const match = new RegExp(`^${pattern}$`).exec(url.pathname);
    const operation = operations[method.toLowerCase()];
    if (match && operation && url.pathname !== '/v1/avatars/lookup')
      return { operation, path: { ...match.groups } };
    if (operation && template === url.pathname) return { operation, path: {} };
  }
  return undefined;
}

/** What the document doesn't allow about a call or its answer. */
function faultsOf(document: OpenApi, schemas: Schemas, exchange: Exchange): string[] {
  const found = operationOf(document, exchange);
  const { method, url, status } = exchange;
  const call = `${method} ${url.pathname} ${status}`;
  if (!found) return [`${call}: there is no such operation`];
  const { parameters, requestBody, responses, 'x-codes': codes } = found.operation;
  const sent = [
    ...Array.from(url.searchParams, ([name, value]) => ['query', name, value] as const),
    ...Object.entries(found.path).map(([name, value]) => ['path', name, decodeURIComponent(value)] as const),
    ...['if-match', 'if-none-match'].flatMap((name) => {
      const value = exchange.headers[name];
      return value === undefined ? [] : [['header', name, String(value)] as const];
    }),
  ];
  const faults = sent.flatMap(([where, name, value]) => {
    const parameter = parameters.find(
      (one) => one.in === where && one.name.toLowerCase() === name.toLowerCase(),
    );
    if (!parameter) return [`${call}: no ${where} ${name}`];
    const { schema } = parameter;
    const typed = schema.type === 'integer' ? Number(value) : value;
    return schemas.accepts(schema, typed) || schemas.accepts(schema, value === 'true')
      ? []
      : [`${call}: ${where} ${name}=${value}`];
  });
  const json = requestBody?.content['application/json'];
  if (json) {
    if (exchange.headers['content-type'] !== 'application/json') faults.push(`${call}: no application/json`);
    const fault = schemas.faultOf(json.schema, JSON.parse(exchange.body.toString()));
    if (fault !== undefined) faults.push(`${call}: the body: ${fault}`);
  } else if (exchange.body.length > 0 && !requestBody) faults.push(`${call}: a body`);
  const type = exchange.answer.headers['content-type']?.split(';')[0] ?? '';
  const response = responses[String(status)];
  if (!response) return [...faults, `${call}: no such answer`];
  if (!type.endsWith('json')) return faults;
  const schema = contentFor(response, type)?.schema;
  const answer = JSON.parse(exchange.answer.body.toString()) as { code?: string };
  if (status >= 400 && !codes.includes(answer.code ?? '')) faults.push(`${call}: no code ${answer.code}`);
  const fault = schema ? schemas.faultOf(schema, answer) : `no ${type}`;
  return fault === undefined ? faults : [...faults, `${call}: the answer: ${fault}`];
}

describe.each(backends)('every method of the client on $name', (backend) => {
  let service: RunningService;
  let front: Front;
  let visage: Visage;

  beforeAll(async () => {
    service = await startService({ ...(await backend.environment()), ...SETTINGS });
    front = await Front.open(service.url);
    visage = new Visage({ baseUrl: front.url, key: KEY });
  });
  afterAll(async () => {
    await front.close();
    await service.stop();
  });

  it('makes calls, and reads answers, that the service describes', async () => {
    const id = 'Alice@x.org';
    expect(await visage.exists(id)).toBe(false);
    expect(await visage.info(id)).toBeNull();
    expect(await visage.url(id)).toBeNull();
    expect(await visage.undo(id)).toBeNull();

    const first = await visage.upload(id, await numbered(1), {
      crop: { x: 0, y: 0, width: 40, height: 40 },
      rotate: 90,
      alt: "It's (me) & ünïcode",
      ifNone: true,
    });
    expect(first).toMatchObject({ id, width: 40, alt: "It's (me) & ünïcode" });
    const second = await visage.upload(id, await numbered(2), { ifMatch: first.version });
    expect(await visage.info(id)).toEqual(second);
    expect(await visage.exists(id)).toBe(true);
    expect(await visage.url(id, { size: 32, format: 'webp', animated: false })).toMatchObject({
      version: second.version,
      expiresAt: null,
    });
    const picture = await visage.get(id, { size: 32, format: 'png', animated: false });
    expect((await sharp(Buffer.from(await picture.arrayBuffer())).metadata()).format).toBe('png');

    expect(await visage.setAlt(id, 'Me', { ifMatch: second.version })).toMatchObject({ alt: 'Me' });
    expect(await visage.setAlt(id, null, { version: first.version })).not.toHaveProperty('alt');
    expect(await visage.restore(id, first.version, { ifMatch: second.version })).toMatchObject({
      version: first.version,
    });
    expect(await visage.remove(id, { ifMatch: first.version })).toEqual({ pending: false });
    expect(await visage.undo(id)).toMatchObject({ version: first.version });
    const history = await visage.versions(id);
    expect(history.current).toBe(first.version);
    expect(history.versions.map(({ version, by }) => [version, by?.name])).toEqual([
      [second.version, KEY],
      [first.version, KEY],
    ]);
    expect(await visage.removeVersion(id, second.version)).toMatchObject({ version: second.version });

    const looked = await visage.lookup({
      ids: [id, 'bob', 'x/y'],
      hashes: ['c160f8cc69a4f0bf2b0362752353d060'],
      names: { bob: 'Bob Li' },
      default: 'identicon',
      sizes: [32],
      format: 'webp',
    });
    expect(looked.avatars[id]).toMatchObject({ version: first.version, default: false });
    expect(looked.avatars['x/y']).toMatchObject({ error: { code: 'invalid_id' } });

    const { hashes } = await visage.setAliases(id, { emails: ['alice@example.org'] });
    expect((await visage.aliases(id)).hashes).toEqual(hashes);
    expect(
      await visage.setAllAliases([{ id: 'bob', emails: ['alice@example.org'] }], { ifFree: true }),
    ).toMatchObject([{ id: 'bob', status: 409, error: { code: 'alias_taken' } }]);

    const { ticket } = await visage.ticket(id, { may: ['upload'], expiresIn: 60, maxBytes: 100_000 });
    const browser = new Visage({ baseUrl: front.url, key: ticket });
    await browser.upload(id, new Blob([await numbered(3)]));

    expect(await visage.lock(id, 'From the directory.')).toMatchObject({ locked: true });
    const refused = await new Visage({ baseUrl: front.url, key: (await visage.ticket(id)).ticket })
      .upload(id, await numbered(4))
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'avatar_locked',
      forUsers: 'This picture can’t be changed. From the directory.',
    });
    expect(await visage.unlock(id)).toMatchObject({ locked: false });
    const receipt = await visage.erase(id);
    expect(receipt).toMatchObject({ id, pending: false });
    expect(await visage.erase(id, { before: receipt.erasedAt })).toMatchObject({
      erasedAt: receipt.erasedAt,
    });
    expect(await visage.exists(id)).toBe(false);

    const document = await documentOf(service.url);
    const schemas = new Schemas(document.components.schemas);
    expect(front.exchanges.flatMap((exchange) => faultsOf(document, schemas, exchange))).toEqual([]);
  });

  it('makes URLs that show what the service shows under its own', async () => {
    const id = 'Bob|x~y';
    const { version, urls } = await visage.upload(id, await numbered(5));
    const bytesAt = async (url: string) => Buffer.from(await (await fetch(url)).arrayBuffer());
    const master = await bytesAt(urls['master'] ?? '');
    const webp = await sharp(master).metadata();
    expect(webp.width).toBe(48);
    const immutable = visage.src({ id, size: 32, version });
    const named = await visage.url(id, { size: 32, format: 'webp' });
    expect(new URL(immutable).pathname).toBe(new URL(named?.url ?? '').pathname);
    expect(await bytesAt(visage.src({ id, size: 32, format: 'webp' }))).toEqual(await bytesAt(immutable));
    for (const [url] of visage.srcset({ id, size: 24 }).matchAll(/http\S+/g)) {
      expect((await fetch(url)).status).toBe(200);
    }
  });
});

describe('the types of the client', () => {
  let service: RunningService;
  let schemas: Record<string, Schema>;

  beforeAll(async () => {
    service = await startService({ ...(await local.environment()), ...SETTINGS });
    ({ schemas } = (await documentOf(service.url)).components);
  });
  afterAll(() => service.stop());

  it('have the fields of what the service describes, and no other', () => {
    const named: Record<string, string> = {
      Version: 'VersionAnswer',
      Info: 'InfoAnswer',
      PictureUrl: 'UrlAnswer',
      By: 'ByAnswer',
      HistoryVersion: 'HistoryVersion',
      LockFacts: 'LockFacts',
      History: 'HistoryAnswer',
      Lock: 'LockAnswer',
      Purged: 'PurgedAnswer',
      Receipt: 'ReceiptAnswer',
      VersionReceipt: 'VersionReceiptAnswer',
      Aliases: 'AliasesAnswer',
      AliasesChange: 'AliasesChange',
      Addresses: 'AliasesBody',
      AliasesResult: 'BatchResult',
      LookupRequest: 'LookupBody',
      LookupEntry: 'LookupEntry',
      LookupFault: 'LookupFault',
      Lookup: 'LookupAnswer',
      TicketRequest: 'TicketBody',
      Ticket: 'TicketAnswer',
    };
    const { fields, texts } = typesOf('answers.ts');
    const expected = Object.entries(named).map(([ours, theirs]) => [
      ours,
      fieldsOf(schemas, schemas[theirs] ?? {}),
    ]);
    expect(fields).toEqual(Object.fromEntries(expected));
    expect(texts).toEqual({
      Default: schemas['SheetBody']?.properties?.['default']?.enum?.toSorted(),
      Format: schemas['LookupBody']?.properties?.['format']?.enum?.toSorted(),
    });
  });

  it('have the codes of its problems, and three of its own', () => {
    const { fields, texts } = typesOf('error.ts');
    const { ProblemAnswer: { properties = {}, required = [] } = {} } = schemas;
    const own = ['no_connection', 'timeout', 'unexpected_answer'];
    expect(texts['ErrorCode']).toEqual([...(schemas['ErrorCode']?.enum ?? []), ...own].toSorted());
    // The first two say nothing that the others don't. Without an answer there is no status, and no id of a request.
    const said = Object.entries(properties).filter(([name]) => name !== 'type' && name !== 'title');
    const always = required.filter((name) => name === 'code' || name === 'detail');
    expect(fields['Problem']).toEqual(
      fieldsOf(schemas, { required: always, properties: Object.fromEntries(said) }),
    );
    expect(new VisageError({ code: 'busy', detail: 'Wait.' })).toBeInstanceOf(Error);
  });
});

/** The fields of a schema, as those of a type are described. */
function fieldsOf(schemas: Record<string, Schema>, { required = [], properties = {} }: Schema): string[] {
  return Object.entries(properties)
    .map(([name, { type, allOf, nullable }]: [string, Schema & { nullable?: boolean }]) => {
      const target = allOf?.[0]?.$ref?.replace(/.*\//, '') ?? '';
      const json = type ?? schemas[target]?.type ?? 'object';
      const kind = json === 'integer' ? 'number' : json;
      return described(name, !required.includes(name), `${kind}${nullable === true ? '|null' : ''}`);
    })
    .sort();
}
