import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { OWN_EXTENSION, type OwnMark, SCOPE_EXTENSION } from '../../access/marks.js';
import { scopeOfToken } from '../../access/token.js';
import { VERSION } from '../../config/version.js';
import type { Scope } from '../../model/access.js';
import { type HeaderName, headersOf } from './headers.js';
import { ProblemAnswer } from './problem.dto.js';
import { EVERY_CALL, OTHER_REFUSAL, codesOf, refusal } from './refusals.js';

const ALWAYS = [
  'X-Content-Type-Options',
  'X-Request-Id',
  'Access-Control-Allow-Origin',
  'Access-Control-Expose-Headers',
] as const satisfies HeaderName[];
/** Of calls that are limited. */
const LIMITS = ['RateLimit-Policy', 'RateLimit'] as const satisfies HeaderName[];

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & {
  [SCOPE_EXTENSION]?: Scope;
  [OWN_EXTENSION]?: OwnMark;
};

/**
 * Describes the API of the application in OpenAPI.
 * @param base where the calls are; without it, where the description is
 */
export function describeApi(app: INestApplication, base: string | undefined): OpenAPIObject {
  const about = new DocumentBuilder()
    .setTitle('Visage')
    .setDescription(
      'Avatars over REST. Every GET also answers HEAD. Every refusal is problem+json (RFC 9457) with a stable `code`.',
    )
    .setVersion(VERSION)
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'a key of API_KEYS, a token of the identity provider, or a ticket',
    })
    .build();
  if (base !== undefined) about.servers = [{ url: base }];
  const document = SwaggerModule.createDocument(app, about, { extraModels: [ProblemAnswer] });
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods) as Operation[]) {
      complete(operation, path);
    }
  }
  return document;
}

/** Adds what all calls have in common. */
function complete(operation: Operation, path: string): void {
  const { responses } = operation;
  responses['400'] ??= refusal(400, EVERY_CALL);
  const { [SCOPE_EXTENSION]: scope, [OWN_EXTENSION]: own } = operation;
  if (scope !== undefined) {
    const orOwn = own ? ", a token of the avatar's own user" : '';
    const orTicket = own?.ticket === undefined ? '' : `, a ticket for \`${own.ticket}\``;
    const needs = `If API_KEYS or JWT_ISSUER is set, it needs one of: a key with \`${scope}\`, a token with \`${scopeOfToken(scope)}\`${orOwn}${orTicket}.`;
    operation.description = `${operation.description ?? ''}\n\n${needs}`.trim();
    responses['401'] = refusal(401, ['unauthorized', 'ticket_expired', 'token_expired']);
    const away = responses['503'] as ReturnType<typeof refusal> | undefined;
    responses['503'] = refusal(503, [...(away ? codesOf(away) : []), 'issuer_unavailable']);
    responses['403'] = refusal(403, ['insufficient_scope', 'foreign_origin']);
  }
  if (path.includes('{')) responses['414'] = refusal(414, ['bad_request']);
  responses.default = { ...OTHER_REFUSAL };
  const headers = headersOf(...ALWAYS, ...('429' in responses ? LIMITS : []));
  for (const response of Object.values(responses)) {
    if (response && 'description' in response) response.headers = { ...response.headers, ...headers };
  }
}
