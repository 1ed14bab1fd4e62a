import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiCreatedResponse, ApiOperation } from '@nestjs/swagger';
import { DescribeRefusals, JSON_BODIES } from '../openapi/refusals.js';
import { TicketAnswer, TicketBody } from './tickets.dto.js';

export const DescribeTicket = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'issueTicket',
      summary: 'Make a ticket: with it, a browser changes the avatar without your server in between',
      description:
        'It is for one picture: further uploads of the same are 200, of others 409 `ticket_used`, on all replicas. An erasure makes it void. While the bucket is away it is 503. Needs SIGNING_KEYS.',
    }),
    ApiBody({ type: TicketBody }),
    ApiCreatedResponse({ type: TicketAnswer, description: 'The ticket.' }),
    DescribeRefusals(...JSON_BODIES, 'busy', 'invalid_id', 'invalid_ticket', 'tickets_disabled'),
  );
