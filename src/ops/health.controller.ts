import { Controller, Get, Header, type OnModuleDestroy, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../access/marks.js';
import { Outbox } from '../outbox/outbox.js';
import { LiveAnswer, ReadinessAnswer } from './health.answers.js';
import { StorageHealth } from '../storage/health/storage-health.js';
import type { StorageReport } from '../storage/health/storage-report.js';

@ApiTags('operations')
@Public()
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private stopping = false;

  constructor(
    private readonly health: StorageHealth,
    private readonly outbox: Outbox,
  ) {}

  /** From now on readiness tells the load balancer to send nothing more. */
  onModuleDestroy(): void {
    this.stopping = true;
  }

  @Get('live')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    operationId: 'checkLiveness',
    summary: 'Tell whether the process answers',
    description: 'It does not look at the storage: a restart would not bring that back.',
  })
  @ApiOkResponse({ type: LiveAnswer, description: 'It does.' })
  live(): LiveAnswer {
    return { status: 'live' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    operationId: 'checkReadiness',
    summary: 'Tell whether to send requests here',
    description: 'And what is wrong with the storage or the outbox, if something is.',
  })
  @ApiOkResponse({ type: ReadinessAnswer, description: 'Send requests here.' })
  @ApiServiceUnavailableResponse({
    type: ReadinessAnswer,
    description: 'Send requests elsewhere: the storage cannot be used, or this process is stopping.',
  })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessAnswer> {
    const storage = await this.health.askInTime();
    const status = this.stopping ? 'stopping' : this.judge(storage);
    if (status === 'stopping' || status === 'unavailable') reply.status(503);
    return { status, storage, ...(this.outbox.enabled && { outbox: this.outbox.report() }) };
  }

  private judge(storage: StorageReport): 'ready' | 'degraded' | 'unavailable' {
    if (!this.health.isFit(storage)) return 'unavailable';
    if (storage.reachable) return storage.full ? 'degraded' : 'ready';
    // Wrong settings look like this: a rolling restart has to stop at the first replica that has them.
    if (storage.refused || !this.health.wasReached) return 'unavailable';
    // All replicas have the same bucket, so none of them is better, and each still has pictures in memory. A
    // disk may be this machine's own.
    return storage.backend === 'local' && !storage.overdue ? 'unavailable' : 'degraded';
  }
}
