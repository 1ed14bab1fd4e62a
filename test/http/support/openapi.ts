import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { fc } from '../../support/properties.js';
import { type Random, below, pick } from './mutations.js';

/** A JSON schema as OpenAPI 3.0 has it. */
export interface Schema {
  $ref?: string;
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  enum?: unknown[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | false;
  allOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string;
  schema: Schema;
}

type Content = Partial<Record<string, { schema: Schema }>>;

interface Response {
  headers?: object;
  content?: Content;
}

export interface Operation {
  operationId: string;
  parameters: Parameter[];
  requestBody?: { content: Content };
  responses: Partial<Record<string, Response>>;
  security: object[];
  'x-codes': string[];
}

export interface OpenApi {
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const COMPONENT = '#/components/schemas/';

/** The description of a service, with its parameters and responses in their places. */
export function parseOpenApi(text: string): OpenApi {
  const { components } = JSON.parse(text) as { components: Record<string, Record<string, unknown>> };
  const part = /^#\/components\/(parameters|responses)\/(.+)$/;
  return JSON.parse(text, (_, value: unknown) => {
    const [, kind = '', name = ''] = part.exec((value as { $ref?: string } | null)?.$ref ?? '') ?? [];
    return kind === '' ? value : components[kind]?.[name];
  }) as OpenApi;
}

/** What a response says of a body of some type; `image/*` counts for all pictures. */
export function contentFor({ content }: Response, type: string): { schema: Schema } | undefined {
  return content?.[type] ?? content?.[type.replace(/\/.*/, '/*')];
}

/** Tells whether values are as the schemas of a document describe them. */
export class Schemas {
  private readonly open: Ajv;
  /** Knows no field that the document does not name. */
  private readonly closed: Ajv;
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(private readonly components: Record<string, Schema>) {
    [this.open, this.closed] = [ajvOf(components, false), ajvOf(components, true)];
  }

  accepts(schema: Schema, value: unknown): boolean {
    return this.compile(this.open, schema)(value);
  }

  /** What is wrong with the body of an answer; undefined: nothing. */
  faultOf(schema: Schema, body: unknown): string | undefined {
    const validate = this.compile(this.closed, schema);
    return validate(body) ? undefined : this.closed.errorsText(validate.errors);
  }

  /** The schema that a reference stands for. */
  resolve(schema: Schema): Schema {
    const target = schema.allOf?.[0]?.$ref ?? schema.$ref;
    return target === undefined ? schema : (this.components[target.slice(COMPONENT.length)] ?? schema);
  }

  private compile(ajv: Ajv, schema: Schema): ValidateFunction {
    const text = JSON.stringify(schema);
    const key = `${ajv === this.open ? 'open' : 'closed'} ${text}`;
    const known = this.compiled.get(key) ?? ajv.compile(JSON.parse(local(text)) as object);
    this.compiled.set(key, known);
    return known;
  }
}

function ajvOf(components: Record<string, Schema>, closed: boolean): Ajv {
  // `required` may name fields that a schema beside it describes.
  const ajv = new Ajv({ strict: true, strictRequired: false });
  ajv.addVocabulary(['example']);
  addFormats.default(ajv);
  for (const [name, schema] of Object.entries(components)) {
    const copy = JSON.parse(local(JSON.stringify(schema))) as Schema;
    const close = closed && copy.type === 'object';
    ajv.addSchema(close ? { ...copy, additionalProperties: copy.additionalProperties ?? false } : copy, name);
  }
  return ajv;
}

/** With references to schemas by their names. */
function local(text: string): string {
  return text.replaceAll(COMPONENT, '');
}

/** Any characters that a text may have, among them some that URLs and parsers stumble over. */
const CHARACTERS = Array.from('aZ09-_.~@ %&+=#?;,"\'\\/<>|éß한😀');

const INSTANTS = ['2001-02-03T04:05:06.789Z', '2026-01-31T12:00:00.000Z', '1970-01-01T00:00:00.000Z'];

/** A value that a schema accepts. */
export function validValue(schemas: Schemas, described: Schema, random: Random): unknown {
  const schema = schemas.resolve(described);
  if (schema.enum) return pick(schema.enum, random);
  if (schema.format === 'date-time') return pick(INSTANTS, random);
  if (schema.format === 'uri') return 'https://elsewhere.example/a.png';
  switch (schema.type) {
    case 'boolean':
      return random() < 0.5;
    case 'integer':
      return pick([schema.minimum, schema.maximum, between(schema.minimum, schema.maximum, random)], random);
    case 'array': {
      const least = schema.minItems ?? 0;
      const length = least + below(5, random);
      return Array.from({ length }, () => validValue(schemas, schema.items ?? {}, random));
    }
    case 'object': {
      const { properties = {}, required = [] } = schema;
      const make = () => {
        const names = Object.keys(properties).filter((n) => required.includes(n) || random() < 0.5);
        return Object.fromEntries(names.map((n) => [n, validValue(schemas, properties[n] ?? {}, random)]));
      };
      return until(make, (value) => schemas.accepts(described, value));
    }
    default:
      return validText(schemas, schema, random);
  }
}

/** A pattern that only keeps some characters out: what it allows would be mostly unassigned ones. */
const FREE_TEXT = /^\^\[\^[^\]]*\]\*\$$/;

function validText(schemas: Schemas, schema: Schema, random: Random): string {
  const { pattern, maxLength } = schema;
  const longest = 'a'.repeat(maxLength ?? 300);
  if (random() < 0.1 && schemas.accepts(schema, longest)) return longest;
  const make = () =>
    pattern === undefined || FREE_TEXT.test(pattern) ? text(random) : matching(pattern, random);
  return until(make, (value) => schemas.accepts(schema, value));
}

function text(random: Random): string {
  return Array.from({ length: 1 + below(12, random) }, () => pick(CHARACTERS, random)).join('');
}

/** By their patterns: it takes fast-check long to make one. */
const arbitraries = new Map<string, fc.Arbitrary<string>>();

function matching(pattern: string, random: Random): string {
  const known = arbitraries.get(pattern) ?? fc.stringMatching(new RegExp(pattern, 'u'));
  arbitraries.set(pattern, known);
  const [value = ''] = fc.sample(known, { seed: below(2 ** 31, random), numRuns: 1 });
  return value;
}

/** A value that a schema refuses, in whichever type it is sent; undefined if there is none. */
export function invalidValue(schemas: Schemas, schema: Schema, random: Random): unknown {
  const good = validValue(schemas, schema, random);
  const candidates =
    typeof good === 'string'
      ? [`${good}\n!`, `!${good}`, `${good}${'x'.repeat(300)}`]
      : changed(good, schemas, schema, random);
  const bad = [...STRANGE, ...candidates].filter((value) => !schemas.accepts(schema, value));
  return bad.length === 0 ? undefined : pick(bad, random);
}

/** A text that a schema refuses, and that cannot be read as a value that it accepts; undefined if there is none. */
export function invalidText(schemas: Schemas, schema: Schema, random: Random): string | undefined {
  const readings = (value: string) => [
    value,
    value === '' ? value : Number(value),
    value === 'true' || value,
  ];
  const bad = [
    '',
    '-',
    '.',
    'ä',
    '~',
    'TRUE',
    '0',
    '-1',
    '1e9',
    '64.5',
    '\u0000',
    'x'.repeat(300),
    text(random),
  ];
  const good = String(validValue(schemas, schema, random));
  const refused = [...bad, `${good}\u0007`, `${good},`, `"${good}`].filter(
    (value) => !readings(value).some((reading) => schemas.accepts(schema, reading)),
  );
  return refused.length === 0 ? undefined : pick(refused, random);
}

const STRANGE: readonly unknown[] = [null, 0, -1, 1.5, 1e9, true, '', 'x', [], [[]], {}];

/** Like a list or an object, but for one part. */
function changed(good: unknown, schemas: Schemas, described: Schema, random: Random): unknown[] {
  const schema = schemas.resolve(described);
  if (Array.isArray(good)) {
    const { items = {}, maxItems = 0 } = schema;
    const bad = invalidValue(schemas, items, random);
    return [[...(good as unknown[]), bad], Array(maxItems + 1).fill(validValue(schemas, items, random))];
  }
  const stray = { ...(good as object), stray: 1 };
  const wrong = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const rest = Object.fromEntries(Object.entries(good as object).filter(([other]) => other !== name));
    return [rest, { ...rest, [name]: invalidValue(schemas, property, random) }, { ...rest, [name]: null }];
  });
  return [stray, ...wrong];
}

function between(minimum = 0, maximum = 2 ** 31, random: Random): number {
  return minimum + below(maximum - minimum + 1, random);
}

/** @throws Error after many attempts */
function until<T>(make: () => T, accepted: (value: T) => boolean): T {
  for (let attempt = 0; attempt < 500; attempt++) {
    const value = make();
    if (accepted(value)) return value;
  }
  throw new Error('no value that the schema accepts was found');
}
