import { isDeepStrictEqual } from 'node:util';
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { OWN_EXTENSION, type OwnMark, SCOPE_EXTENSION } from '../../access/marks.js';
import { scopeOfToken } from '../../access/token.js';
import { VERSION } from '../../config/version.js';
import type { ErrorCode } from '../../errors.js';
import type { Scope } from '../../model/access.js';
import { HEADER_COMPONENTS } from './headers.js';
import { PARAMETER_COMPONENTS } from './parameters.js';
import { PICTURE_COMPONENTS } from './pictures.js';
import { ProblemAnswer } from './problem.dto.js';
import { CODES_EXTENSION, EVERY_CALL, REFUSAL_COMPONENTS, refusalWith, refusalsOf } from './refusals.js';

const DESCRIPTION = `Avatars over REST. Every GET also answers HEAD.

Every refusal is problem+json (RFC 9457) with a stable \`code\`. \`${CODES_EXTENSION}\` lists those of a call.

A key, token or ticket is needed only if API_KEYS or JWT_ISSUER is set.

Every answer has \`X-Request-Id\`, the \`reqId\` of the lines in the log; \`X-Content-Type-Options: nosniff\`; and \`Cache-Control\`, how long it may be kept without asking. Pages of every origin may read all but the metrics, and \`Access-Control-Expose-Headers\` says which headers. All answers to an upload have \`RateLimit\` and \`RateLimit-Policy\` if there is a limit. Pictures have \`Vary\`; \`Content-Security-Policy\`, so that nothing in them may run; \`Cross-Origin-Resource-Policy: cross-origin\`; and, with CDN_PURGE, \`CDN-Cache-Control\` (RFC 9213).

202 means that the bucket is away: the replica that answers makes the change as soon as it is back, and shows it as made already.`;

const TAGS = {
  avatars: 'Pictures of people by their ids in your application.',
  gravatar: 'The same pictures by hashes of e-mail addresses, for clients of Gravatar and Libravatar.',
  operations: 'For the probes of an orchestrator, and for Prometheus.',
};

/** What a call of some code may be refused for because of its bearer. */
const BEARERS = [
  'foreign_origin',
  'insufficient_scope',
  'issuer_unavailable',
  'ticket_expired',
  'token_expired',
  'unauthorized',
] as const satisfies ErrorCode[];

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & {
  [CODES_EXTENSION]?: ErrorCode[];
  [SCOPE_EXTENSION]?: Scope;
  [OWN_EXTENSION]?: OwnMark;
};

/**
 * Describes the API of the application in OpenAPI.
 * @param base where the calls are; without it, where the description is
 */
export function describeApi(app: INestApplication, base = '/'): OpenAPIObject {
  const about = new DocumentBuilder()
    .setTitle('Visage')
    .setDescription(DESCRIPTION)
    .setVersion(VERSION)
    .addServer(base)
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'a key of API_KEYS, a token of the identity provider, or a ticket',
    });
  for (const [name, meaning] of Object.entries(TAGS)) about.addTag(name, meaning);
  const document = SwaggerModule.createDocument(app, about.build(), { extraModels: [ProblemAnswer] });
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods) as Operation[]) {
      complete(operation, path);
      share(operation);
    }
  }
  document.components = { ...document.components, headers: HEADER_COMPONENTS, parameters, responses };
  return document;
}

const parameters = PARAMETER_COMPONENTS;
const responses = { ...REFUSAL_COMPONENTS, ...PICTURE_COMPONENTS };

/** Refers to components instead of repeating them. */
function share(operation: Operation): void {
  const { parameters: own = [] } = operation;
  operation.parameters = own.map((one) => referenceTo('parameters', parameters, brief(one)));
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response) operation.responses[status] = referenceTo('responses', responses, response);
  }
}

/** Whether it is required is said only of those that are. */
function brief<T extends object>(parameter: T): T {
  if (!('required' in parameter) || parameter.required === true) return parameter;
  const copy = { ...parameter };
  delete copy.required;
  return copy;
}

/** @returns the part itself if it is no component */
function referenceTo<T>(kind: string, components: Record<string, unknown>, part: T): T | { $ref: string } {
  const found = Object.entries(components).find(([, component]) => isDeepStrictEqual(component, part));
  return found === undefined ? part : { $ref: `#/components/${kind}/${found[0]}` };
}

/** Adds what all calls have in common. */
function complete(operation: Operation, path: string): void {
  const { [SCOPE_EXTENSION]: scope, [OWN_EXTENSION]: own, [CODES_EXTENSION]: codes = [] } = operation;
  const all = new Set([...EVERY_CALL, ...codes, ...(scope === undefined ? [] : BEARERS)]);
  operation[CODES_EXTENSION] = [...all].sort();
  operation.responses = { ...refusalsOf(operation[CODES_EXTENSION]), ...operation.responses };
  if (path.includes('{')) operation.responses['414'] = refusalWith(414);
  operation.security ??= [];
  if (scope === undefined) return;
  const orOwn = own ? ", or a token of the avatar's own user" : '';
  const orTicket = own?.ticket === undefined ? '' : `, or a ticket for \`${own.ticket}\``;
  const needs = `Needs a key with \`${scope}\`, or a token with \`${scopeOfToken(scope)}\`${orOwn}${orTicket}.`;
  operation.description = `${operation.description ?? ''}\n\n${needs}`.trim();
}
