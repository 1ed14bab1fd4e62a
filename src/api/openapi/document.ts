import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SCOPE_EXTENSION } from '../../access/marks.js';
import { VERSION } from '../../config/version.js';
import type { Scope } from '../../model/access.js';
import { type HeaderName, headersOf } from './headers.js';
import { ProblemAnswer } from './problem.dto.js';
import { EVERY_CALL, OTHER_REFUSAL, refusal } from './refusals.js';

const ALWAYS = ['X-Content-Type-Options', 'X-Request-Id'] as const satisfies HeaderName[];
const READABLE_ANYWHERE = [
  'Access-Control-Allow-Origin',
  'Access-Control-Expose-Headers',
] as const satisfies HeaderName[];
/** Of calls that are limited. */
const LIMITS = ['RateLimit-Policy', 'RateLimit'] as const satisfies HeaderName[];

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']> & { [SCOPE_EXTENSION]?: Scope };

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
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'one of the keys of API_KEYS' })
    .build();
  if (base !== undefined) about.servers = [{ url: base }];
  const document = SwaggerModule.createDocument(app, about, { extraModels: [ProblemAnswer] });
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods) as [string, Operation][]) {
      complete(operation, path, method);
    }
  }
  return document;
}

/** Adds what all calls have in common. */
function complete(operation: Operation, path: string, method: string): void {
  const { responses } = operation;
  responses['400'] ??= refusal(400, EVERY_CALL);
  const scope = operation[SCOPE_EXTENSION];
  if (scope !== undefined) {
    operation.description =
      `${operation.description ?? ''}\n\nIf API_KEYS is set, it needs a key with \`${scope}\`.`.trim();
    responses['401'] = refusal(401, ['unauthorized']);
  }
  const forbidden = [
    ...(scope === undefined ? [] : (['insufficient_scope'] as const)),
    ...(method === 'get' ? [] : (['foreign_origin'] as const)),
  ];
  if (forbidden.length > 0) responses['403'] = refusal(403, forbidden);
  if (path.includes('{')) responses['414'] = refusal(414, ['bad_request']);
  responses.default = { ...OTHER_REFUSAL };
  const headers = headersOf(
    ...ALWAYS,
    ...(method === 'get' || method === 'options' ? READABLE_ANYWHERE : []),
    ...('429' in responses ? LIMITS : []),
  );
  for (const response of Object.values(responses)) {
    if (response && 'description' in response) response.headers = { ...response.headers, ...headers };
  }
}
