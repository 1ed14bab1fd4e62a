import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Metrics } from './metrics.js';

@ApiTags('operations')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Open to whoever reaches the port, as health is: a proxy must not pass it on. */
  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'What happened here since the start, for Prometheus' })
  @ApiOkResponse({ content: { 'text/plain': { schema: { type: 'string' } } } })
  scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    // Pictures are for pages of all origins, this for none.
    reply.removeHeader('Access-Control-Allow-Origin');
    reply.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
