import { Controller, Get, Header, type OnModuleDestroy, Optional, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/public.js';
import { Outbox, type OutboxReport } from '../outbox/outbox.js';
import { StorageHealth, type StorageReport } from './storage-health.js';

interface Readiness {
  /** `degraded`: the bucket is away and changes wait in the outbox, or the storage is full and takes no uploads. */
  status: 'ready' | 'degraded' | 'unavailable' | 'stopping';
  storage: StorageReport;
  outbox?: OutboxReport;
}

@ApiTags('operations')
@Public()
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private stopping = false;

  constructor(
    private readonly health: StorageHealth,
    @Optional() private readonly outbox?: Outbox,
  ) {}

  /** From now on readiness tells the load balancer to send nothing more. */
  onModuleDestroy(): void {
    this.stopping = true;
  }

  @Get('live')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Whether the process answers' })
  @ApiOkResponse()
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Whether requests should be sent here: the backend can be used' })
  @ApiOkResponse()
  @ApiServiceUnavailableResponse()
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const storage = await this.health.ask();
    const status = this.stopping ? 'stopping' : this.judge(storage);
    if (status === 'stopping' || status === 'unavailable') reply.status(503);
    return { status, storage, ...(this.outbox && { outbox: this.outbox.report() }) };
  }

  private judge(storage: StorageReport): 'ready' | 'degraded' | 'unavailable' {
    if (storage.reachable) return storage.full ? 'degraded' : 'ready';
    // Wrong settings look like this: a rolling restart has to stop at the first replica that has them.
    if (storage.refused || storage.conditionalWrites === 'unknown') return 'unavailable';
    return this.outbox?.hasRoom() ? 'degraded' : 'unavailable';
  }
}
