import { Controller, Get, Header, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { StorageHealth, type StorageReport } from './storage-health.js';

interface Readiness {
  status: 'ready' | 'unavailable' | 'stopping';
  storage: StorageReport;
}

@ApiTags('operations')
@Controller('health')
export class HealthController {
  private stopping = false;

  constructor(private readonly health: StorageHealth) {}

  /** From now on no new requests should be sent here. */
  stop(): void {
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
    const status = this.stopping ? 'stopping' : storage.reachable ? 'ready' : 'unavailable';
    if (status !== 'ready') reply.status(503);
    return { status, storage };
  }
}
