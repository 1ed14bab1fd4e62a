import { createHash } from 'node:crypto';
import { encodeId } from '../../src/model/keys.js';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { bearer, sumOf } from '../support/api-keys.js';
import { local } from '../support/local.js';
import { randoms } from '../support/randoms.mjs';
import { SEED, TORTURE } from '../support/programme.js';
import { type Answer, FORM, type Outgoing, form, send } from './support/client.js';
import { Harness } from './support/harness.js';
import { type Random, below, pick } from './support/mutations.js';
import {
  type OpenApi,
  type Operation,
  type Parameter,
  type Schema,
  Schemas,
  contentFor,
  invalidText,
  invalidValue,
  parseOpenApi,
  validValue,
} from './support/openapi.js';
import { picture } from './support/pictures.js';
import { SIGNING_KEY } from '../support/tickets.js';

/** Of each operation, so many requests that the document allows, and so many that it forbids. */
const [ALLOWED, FORBIDDEN] = TORTURE ? [150, 150] : [8, 6];

const KEY = 'a-key';
const AUTHORIZED = bearer(KEY);

const ELSEWHERE = 'https://cdn.example/defaults';

/** With pictures, and some without. */
const IDS = ['alice', 'Bob@x.org', 'a~b|c:d+e=f', 'nobody'];
/** Has a picture, and is never deleted: every call but DELETE succeeds on it. */
const KEPT = 'Kept.One';
/** Loses its version, which can be erased again and again. */
const LOST = 'Lost.One';
const HASH = createHash('md5').update('alice@example.org').digest('hex');

/** Of HTTP itself, or of the connection. */
const TRANSPORT = ['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'transfer-encoding'];
/** Of all answers, as the document says in words. */
const ALWAYS = [
  'access-control-allow-origin',
  'access-control-expose-headers',
  'cache-control',
  'x-content-type-options',
  'x-request-id',
];
/** Of all answers to an upload. */
const LIMITS = ['ratelimit', 'ratelimit-policy'];
/** Of pictures. */
const PICTURES = ['content-security-policy', 'cross-origin-resource-policy', 'vary'];

/** What the document says in words, since no schema can: requests are made to keep it. */
const IN_WORDS = [
  'It has to lie within the picture.',
  'If the query and the form both have `rotate`, `crop` or `alt`, they have to be the same.',
  'Not together with If-None-Match.',
  'erase=true takes neither If-Match nor If-None-Match.',
  'Needs erase=true, and may be at most a day in the future.',
  'Send 1 to 1000 different ids and hashes together.',
  'E-mail addresses without invisible characters.',
  'Send one list or both, with at most 50 entries together.',
  'Each id in `names` has to be in `ids`.',
  'At most as many as ids',
  'Only with `locked: true`.',
];

/** What makes sense where a schema allows any text, or where it cannot say what there is. */
const SENSIBLE: Record<string, readonly string[]> = {
  id: IDS,
  default: ['404', 'mm', ...PLACEHOLDER_KINDS, ELSEWHERE, `${ELSEWHERE}/nobody.png`],
  ids: [IDS.join(), 'alice', 'nobody,nobody'],
  before: ['2001-02-03T04:05:06.789Z', '2026-01-31T12:00:00.000Z', '1970-01-01T00:00:00.000Z'],
  crop: ['0,0,64,64', '1,2,3,4', '63,63,1,1', '00,0,9,9'],
  'If-Match': ['*', '"x"', 'W/"x", "y"', '"x/256.webp"'],
  'If-None-Match': ['*', '"x"', 'nonsense'],
  Range: ['bytes=0-9', 'bytes=-5', 'bytes=9999999-', 'bytes=5-2', 'bytes=0-1,3-4', 'lines=1-2'],
  'If-Range': ['"x"', 'W/"x"'],
  Accept: ['image/avif,image/webp,*/*', 'image/webp;q=0.1, image/png', 'text/html', '*/*;q=x'],
  'Sec-CH-Prefers-Reduced-Motion': ['reduce', '"reduce"', 'no-preference'],
  'Sec-CH-Prefers-Color-Scheme': ['dark', '"dark"', 'light'],
  'Save-Data': ['on', 'off'],
  hash: [`${HASH}.png`, HASH.toUpperCase(), 'f'.repeat(64), 'nonsense'],
  rendition: ['master.webp', '16-still.gif', '1024.avif', '9999.png'],
};

interface Call {
  path: string;
  method: string;
  operation: Operation;
}

/** A request in parts, as a client that was made from the document puts it together. */
interface Draft {
  values: Map<Parameter, string>;
  body: { type: string; value: unknown } | undefined;
  authorized: boolean;
}

describe('the OpenAPI document', () => {
  let harness: Harness;
  let document: OpenApi;
  let schemas: Schemas;
  let calls: Call[];
  let keptVersion: string;
  let lostVersion: string;
  const known = new Map<string, readonly string[]>(Object.entries(SENSIBLE));

  beforeAll(async () => {
    const environment = {
      ...(await local.environment()),
      AVATAR_DEFAULT: 'identicon',
      SIGNING_KEYS: SIGNING_KEY,
      AVATAR_DEFAULT_URLS: ELSEWHERE,
      // The first can be reached here, the second cannot.
      UPLOADS_PER_AVATAR: '10/1d',
      UPLOADS_PER_CREDENTIAL: '100000/1d',
    };
    const API_KEYS = sumOf(KEY);
    harness = await Harness.start({ ...environment, API_KEYS }, { headers: AUTHORIZED });
    document = parseOpenApi((await harness.send({ path: '/docs-json' })).body.toString());
    schemas = new Schemas(document.components.schemas);
    calls = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        operation,
      })),
    );
    const versions = await Promise.all([...IDS.slice(0, -1), KEPT].map(upload));
    known.set('If-Match', [...(known.get('If-Match') ?? []), ...versions.map((version) => `"${version}"`)]);
    keptVersion = versions.at(-1) ?? '';
    lostVersion = await upload(LOST);
    await harness.put('/v1/avatars/alice/aliases', { body: JSON.stringify({ hashes: [HASH] }) });
  });
  afterAll(() => harness.stop());

  async function upload(id: string): Promise<string> {
    const path = `/v1/avatars/${encodeURIComponent(id)}`;
    const uploaded = await harness.put(path, {
      body: await picture(id === 'alice' ? 'animatedWebp' : 'png'),
    });
    return (JSON.parse(uploaded.body.toString()) as { version: string }).version;
  }

  it('has the version of the package, and says in words what no schema can', async () => {
    const text = JSON.stringify(document);
    expect(IN_WORDS.filter((words) => !text.includes(words))).toEqual([]);
    const metrics = (await harness.send({ path: '/metrics' })).body.toString();
    expect(metrics).toContain(`visage_build_info{version="${document.info.version}"} 1`);
  });

  it('describes every parameter of a path but the hash by a pattern', () => {
    const parameters = calls.flatMap(({ operation }) => operation.parameters);
    const open = parameters.filter((one) => one.in === 'path' && one.schema.pattern === undefined);
    expect([...new Set(open.map(({ name }) => name))]).toEqual(['hash']);
  });

  it(`allows nothing that is refused with 400, and tells of every answer (seed ${SEED})`, async () => {
    const successful = new Set<Call>();
    const faults = await each(ALLOWED, async (call, random, plain) => {
      const draft = allowed(call, random, plain);
      const outgoing = await outgoingOf(call, draft);
      const answer = await send(harness.service.url, outgoing);
      if (answer.status < 300) successful.add(call);
      const refused = [400, 401, 405, 414].includes(answer.status);
      return [
        ...(refused ? [`allowed, and refused: ${answer.body.toString()}`] : []),
        ...faultsOf(call.operation, answer, 'GET'),
        ...(call.method === 'GET' ? await headFaults(call.operation, outgoing) : []),
      ].map((fault) => `${told(outgoing)}: ${fault}`);
    });
    expect(faults).toEqual([]);
    const never = calls.filter((call) => !successful.has(call));
    expect(never.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it(`forbids only what is refused with 4xx (seed ${SEED})`, async () => {
    const faults = await each(FORBIDDEN, async (call, random) => {
      const draft = forbidden(call, random);
      if (!draft) return [];
      const outgoing = await outgoingOf(call, draft);
      const answer = await send(harness.service.url, outgoing);
      const taken = answer.status < 400 || answer.status >= 500;
      return [
        ...(taken ? [`forbidden, and answered with ${answer.status}`] : []),
        ...faultsOf(call.operation, answer, 'GET'),
      ].map((fault) => `${told(outgoing)}: ${fault}`);
    });
    expect(faults).toEqual([]);
  });

  /** The faults that so many requests to each operation show, in turn: most change what the next ones find. */
  async function each(
    count: number,
    attempt: (call: Call, random: Random, plain: boolean) => Promise<string[]>,
  ): Promise<string[]> {
    const faults: string[] = [];
    for (let n = 0; n < count; n++) {
      for (const [i, call] of calls.entries()) {
        faults.push(...(await attempt(call, randoms(SEED + n * calls.length + i), n === 0)));
      }
    }
    return faults;
  }

  /** @param plain nothing but what is required, so that it succeeds */
  function allowed(call: Call, random: Random, plain = false): Draft {
    const { operation } = call;
    const isSent = ({ required = false }: Parameter) => required || (!plain && random() < 0.35);
    const parameters = operation.parameters.filter(isSent);
    const values = new Map(parameters.map((one) => [one, textOf(one, call, random, plain)]));
    const types = Object.keys(operation.requestBody?.content ?? {});
    const type = types.length === 0 ? undefined : pick(types, random);
    const schema = operation.requestBody?.content[type ?? '']?.schema ?? {};
    const body = type === undefined ? undefined : { type, value: bodyOf(schema, random, plain) };
    const draft = { values, body, authorized: operation.security.length > 0 };
    keepWords(draft);
    return draft;
  }

  /** Undefined if the document forbids nothing here. */
  function forbidden(call: Call, random: Random): Draft | undefined {
    const draft = allowed(call, random);
    const changes: (() => boolean)[] = call.operation.parameters.map((one) => () => {
      const { type, items = {} } = one.schema;
      const bad = invalidText(schemas, type === 'array' ? items : one.schema, random);
      // A path without a part is another path.
      if (bad === undefined || (one.in === 'path' && bad === '') || (one.in === 'header' && !isHeader(bad)))
        return false;
      draft.values.set(one, bad);
      return true;
    });
    if (draft.authorized) changes.push(() => !(draft.authorized = false));
    const { body } = draft;
    const schema = call.operation.requestBody?.content[body?.type ?? '']?.schema;
    if (body && schema && body.type !== 'image/*') {
      changes.push(() => (body.value = invalidBody(schema, body.value, random)) !== undefined);
    }
    while (changes.length > 0) {
      const [change] = changes.splice(below(changes.length, random), 1);
      if (change?.()) return draft;
    }
    return undefined;
  }

  function textOf(
    { name, in: place, schema }: Parameter,
    call: Call,
    random: Random,
    plain: boolean,
  ): string {
    const kept = keptOf(call)[name];
    if (plain && kept !== undefined) return kept;
    const sensible = [...(known.get(name) ?? []), ...(kept === undefined ? [] : [kept])];
    const fitting = sensible.filter((one) => schemas.accepts(schema, one));
    // No schema can say where a picture ends, when it is, nor which URLs the settings allow.
    if (fitting.length > 0 && (['before', 'crop', 'default'].includes(name) || random() < 0.6))
      return pick(fitting, random);
    // A list in a query repeats its name: one of them will do.
    const one = schema.type === 'array' ? (schema.items ?? {}) : schema;
    for (;;) {
      const value = String(validValue(schemas, one, random));
      if (place !== 'header' || isHeader(value)) return value;
    }
  }

  /** What there is for certain, for calls that do not take it away, or can be repeated. */
  function keptOf({ path, method }: Call): Partial<Record<string, string>> {
    if (method === 'DELETE') return path.includes('{version}') ? { id: LOST, version: lostVersion } : {};
    const id = path.includes('{version}') ? encodeId(KEPT) : KEPT;
    return { id, version: keptVersion, rendition: '64.webp', hash: HASH };
  }

  function bodyOf(schema: Schema, random: Random, plain: boolean): unknown {
    if (schema.format === 'binary') return 'picture';
    const value = () => validValue(schemas, schema, random);
    switch (schema.$ref?.split('/').at(-1)) {
      case 'AltBody':
        return plain ? { alt: 'Ada', version: keptVersion } : value();
      case 'RestoreBody':
        return plain || random() < 0.6 ? { version: keptVersion } : value();
      case 'LookupBody':
        return asLookup(value() as Lookup, random);
      case 'UploadForm': {
        const form = value() as Record<string, unknown>;
        const crop = 'crop' in form && { crop: pick(SENSIBLE['crop'] ?? [], random) };
        return { ...form, ...crop, file: 'picture' };
      }
      default:
        return value();
    }
  }

  function invalidBody(schema: Schema, good: unknown, random: Random): unknown {
    const { properties = {} } = schemas.resolve(schema);
    if (properties['file'] === undefined) return invalidValue(schemas, schema, random);
    const { file, ...fields } = good as Record<string, unknown>;
    const name = pick(['file', 'rotate', 'crop', 'alt'], random);
    if (name === 'file') return fields;
    const bad = invalidText(schemas, properties[name] ?? {}, random);
    return bad === undefined ? undefined : { ...fields, file, [name]: bad };
  }

  async function headFaults(operation: Operation, get: Outgoing): Promise<string[]> {
    const answer = await send(harness.service.url, { ...get, method: 'HEAD' });
    const withBody = answer.body.length > 0 ? ['HEAD has a body'] : [];
    return [...withBody, ...faultsOf(operation, answer, 'HEAD')];
  }

  /** What an answer has that the document does not tell of. */
  function faultsOf(operation: Operation, answer: Answer, method: string): string[] {
    const { status, headers, body } = answer;
    const response = operation.responses[status];
    if (status >= 500) return [`${method}: ${status} ${body.toString()}`];
    if (!response) return [`${method}: the status ${status} is not declared`];
    const declared = new Set([
      ...Object.keys(response.headers ?? {}).map((name) => name.toLowerCase()),
      ...ALWAYS,
      ...(operation['x-codes'].includes('rate_limited') ? LIMITS : []),
      ...(operation.responses['304'] ? PICTURES : []),
      ...TRANSPORT,
    ]);
    const strays = Object.keys(headers).filter((name) => !declared.has(name));
    const faults = strays.map((name) => `${method}: ${status} has the header ${name}, which is not declared`);
    if (method === 'HEAD' || body.length === 0) return faults;
    const type = (headers['content-type'] ?? '').split(';', 1)[0] ?? '';
    const schema = contentFor(response, type)?.schema;
    if (!schema) return [...faults, `${status} has a body of ${type}, which is not declared`];
    if (!type.endsWith('json')) return faults;
    const json = JSON.parse(body.toString()) as { code?: string };
    const fault = schemas.faultOf(schema, json);
    if (fault) faults.push(`${status} ${fault}: ${body.toString().slice(0, 300)}`);
    if (status >= 400 && !operation['x-codes'].includes(json.code ?? '')) faults.push(`no code ${json.code}`);
    return faults;
  }
});

interface Lookup {
  ids?: string[];
  hashes?: string[];
  default?: string;
}

/** Makes a lookup keep what no schema can say of it. */
function asLookup(body: Lookup, random: Random): Lookup {
  const { ids = [], hashes = [] } = body;
  return {
    ...body,
    ...(ids.length + hashes.length === 0 && { ids: ['alice'] }),
    ...('default' in body && { default: pick(SENSIBLE['default'] ?? [], random) }),
  };
}

/** Makes a request keep the rules that are in words. */
function keepWords({ values, body }: Draft): void {
  const [byName, drop] = [
    (name: string) => [...values.keys()].find((one) => one.name === name),
    (...names: string[]) => {
      for (const one of [...values.keys()]) if (names.includes(one.name)) values.delete(one);
    },
  ];
  const [match, noneMatch, erase, before] = ['If-Match', 'If-None-Match', 'erase', 'before'].map(byName);
  if (match && noneMatch) values.delete(noneMatch);
  if (before && (!erase || values.get(erase) !== 'true')) values.delete(before);
  if (erase && values.get(erase) === 'true') drop('If-Match', 'If-None-Match');
  if (body?.type === 'multipart/form-data') drop('rotate', 'crop', 'alt');
  const json = (body?.value ?? {}) as { locked?: boolean; reason?: string; emails?: string[] };
  if (json.locked === false) delete json.reason;
  if (json.emails) json.emails = json.emails.filter((one) => !/[\p{Cf}\p{DI}\p{Cs}]/u.test(one));
}

/** Whether it can be sent as a header, and arrives as it is. */
function isHeader(value: string): boolean {
  return /^[!-~\x80-\xff]([ -~\x80-\xff]*[!-~\x80-\xff])?$/.test(value);
}

async function outgoingOf({ path, method }: Call, { values, body, authorized }: Draft): Promise<Outgoing> {
  let filled = path;
  const query: string[] = [];
  const headers: Record<string, string> = authorized ? { ...AUTHORIZED } : {};
  for (const [{ name, in: place }, value] of values) {
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === 'query') query.push(`${name}=${encodeURIComponent(value)}`);
    else headers[name] = value;
  }
  const outgoing = { method, path: query.length === 0 ? filled : `${filled}?${query.join('&')}`, headers };
  if (!body) return outgoing;
  const png = await picture('png');
  if (body.type === 'multipart/form-data') {
    const parts = Object.entries(body.value as Record<string, string>).map(([name, content]) =>
      name === 'file' ? { filename: 'me.png', content: png } : { name, content },
    );
    return { ...outgoing, headers: { ...headers, ...FORM }, body: form(...parts) };
  }
  if (body.type === 'image/*')
    return { ...outgoing, headers: { ...headers, 'content-type': 'image/png' }, body: png };
  return {
    ...outgoing,
    headers: { ...headers, 'content-type': body.type },
    body: JSON.stringify(body.value),
  };
}

function told({ method = '', path, headers, body }: Outgoing): string {
  const sent = typeof body === 'string' ? body.slice(0, 300) : '';
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${sent}`;
}
