import { Controller, Header, Param, Post, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs } from '../../access/marks.js';
import { Tickets } from '../../access/tickets.js';
import { trailOf } from '../../access/trail.js';
import { Settings } from '../../config/settings.js';
import { IdPipe } from '../id.pipe.js';
import { JsonBody } from '../json-body.js';
import { DescribeId } from '../openapi/parameters.js';
import { TicketAnswer, TicketBody } from './tickets.dto.js';
import { DescribeTicket } from './tickets.openapi.js';

/** Hands out tickets, with which browsers call Visage themselves. */
@ApiTags('avatars')
@DescribeId()
@Controller('v1/avatars/:id/tickets')
export class TicketsController {
  constructor(
    private readonly tickets: Tickets,
    private readonly settings: Settings,
  ) {}

  @Post()
  @Needs('write', 'ticket')
  @Header('Cache-Control', 'no-store')
  @DescribeTicket()
  async issue(
    @Param('id', IdPipe) id: string,
    @JsonBody() { may, expiresIn, maxBytes, origin }: TicketBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<TicketAnswer> {
    // Nobody gets more by way of a ticket. It shows the history to whoever may restore.
    if (may.includes('restore')) caller.assertMay('read');
    // An editor reads it in the ticket, and tells the user before it sends anything.
    const mostBytes = Math.min(maxBytes ?? Infinity, this.settings.avatarMaxSizeBytes);
    const terms = {
      id,
      may,
      maxBytes: mostBytes,
      ...(origin !== undefined && { origin: new URL(origin).origin }),
    };
    const { name, text, expiresAt } = await this.tickets.issue(terms, expiresIn);
    trailOf(request).ticket = name;
    return { ticket: text, expiresAt: expiresAt.toISOString() };
  }
}
