import { ApiProperty } from '@nestjs/swagger';
import { TICKET_ACTIONS, type TicketAction } from '../../model/ticket.js';
import { INSTANT_SCHEMA } from '../openapi/schemas.js';
import { Must, NoOtherFields, OptionalField } from '../rules.js';

/** In s: time for a person to choose and crop a picture, and to send it on a slow line. */
const USUAL_SECONDS = 600;
const MOST_SECONDS = 86_400;

const ORIGIN_CHARACTERS = 1000;

const isWholeUpTo = (most: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most;

/** What a ticket is for. */
@NoOtherFields()
export class TicketBody {
  static readonly code = 'invalid_ticket';
  /** Enough for the longest origin, with every character escaped, and white space. */
  static readonly maxBytes = 8192;

  @OptionalField({
    type: 'array',
    items: { type: 'string', enum: [...TICKET_ACTIONS] },
    minItems: 1,
    uniqueItems: true,
    description:
      'What the browser may do with the avatar: upload one picture, remove the current one, or see the history and restore a version of it. By default upload.',
    example: ['upload', 'remove'],
  })
  @Must((may) => isListOfActions(may), {
    message: `may has to be a list of ${TICKET_ACTIONS.join(', ')}, each at most once.`,
  })
  may: TicketAction[] = ['upload'];

  @OptionalField({
    type: 'integer',
    minimum: 1,
    maximum: MOST_SECONDS,
    default: USUAL_SECONDS,
    description: 'For how many seconds a request may begin with it.',
  })
  @Must(isWholeUpTo(MOST_SECONDS), {
    message: `expiresIn has to be a whole number of seconds from 1 to ${MOST_SECONDS}.`,
  })
  expiresIn: number = USUAL_SECONDS;

  @OptionalField({
    type: 'integer',
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'The most bytes of the picture, if fewer than AVATAR_MAX_SIZE_BYTES.',
    example: 1_000_000,
  })
  @Must(isWholeUpTo(Number.MAX_SAFE_INTEGER), {
    message: 'maxBytes has to be a whole number of bytes from 1 up.',
  })
  maxBytes?: number;

  @OptionalField({
    type: 'string',
    format: 'uri',
    description:
      'The origin of the page that uses it, or a URL of that origin, with http or https. Pages of other origins are refused then. What sends no `Origin` is no browser, and passes.',
    example: 'https://app.example.com',
  })
  @Must((origin) => isWebUrl(origin), {
    message: 'origin has to be the address of a page or its origin, such as https://app.example.com.',
  })
  origin?: string;
}

export class TicketAnswer {
  @ApiProperty({ description: 'For `Authorization: Bearer`. Whoever has it can use it.' })
  ticket!: string;

  @ApiProperty({ ...INSTANT_SCHEMA, description: 'From then on no request may begin with it.' })
  expiresAt!: string;
}

function isListOfActions(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || new Set(value).size !== value.length) return false;
  return value.every((one) => TICKET_ACTIONS.some((action) => action === one));
}

function isWebUrl(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > ORIGIN_CHARACTERS || !URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return ['https:', 'http:'].includes(protocol) && !hostname.includes('*');
}
