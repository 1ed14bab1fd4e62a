import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SCOPE_EXTENSION, TICKET_EXTENSION } from '../../access/marks.js';
import { VERSION } from '../../config/version.js';
import type { Scope } from '../../model/access.js';
import type { TicketAction } from '../../model/ticket.js';
import { type HeaderName, headersOf } from './headers.js';
import { ProblemAnswer } from './problem.dto.js';
import { EVERY_CALL, OTHER_REFUSAL, refusal } from './refusals.js';

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
  [TICKET_EXTENSION]?: TicketAction;
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
      bearerFormat: 'one of the keys of API_KEYS, or a ticket',
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
  const { [SCOPE_EXTENSION]: scope, [TICKET_EXTENSION]: action } = operation;
  if (scope !== undefined) {
    const orTicket = action === undefined ? '' : `, or a ticket for \`${action}\``;
    const needs = `If API_KEYS is set, it needs a key with \`${scope}\`${orTicket}.`;
    operation.description = `${operation.description ?? ''}\n\n${needs}`.trim();
    responses['401'] = refusal(401, ['unauthorized', 'ticket_expired']);
    responses['403'] = refusal(403, ['insufficient_scope', 'foreign_origin']);
  }
  if (path.includes('{')) responses['414'] = refusal(414, ['bad_request']);
  responses.default = { ...OTHER_REFUSAL };
  const headers = headersOf(...ALWAYS, ...('429' in responses ? LIMITS : []));
  for (const response of Object.values(responses)) {
    if (response && 'description' in response) response.headers = { ...response.headers, ...headers };
  }
}
