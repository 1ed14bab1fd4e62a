import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/marks.js';
import { Metrics } from './metrics.js';

@ApiTags('operations')
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Open to everybody who reaches the port, like health: a proxy must not expose it. */
  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    operationId: 'getMetrics',
    summary: 'Get the metrics of this replica, for Prometheus',
    description: 'Open to whoever reaches the port. Do not expose it.',
  })
  @ApiOkResponse({
    content: { 'text/plain': { schema: { type: 'string' } } },
    description: 'The metrics in the text format of Prometheus.',
  })
  scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    // Pages of other origins may read pictures, but not metrics.
    reply.removeHeader('Access-Control-Allow-Origin');
    reply.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
