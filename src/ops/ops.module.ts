import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { AvatarsModule, OUTBOX } from '../avatars/avatars.module.js';
import { CdnModule } from '../cdn/cdn.module.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { ImagesModule } from '../images/images.module.js';
import { StorageHealthModule } from '../storage/health/storage-health.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AccessMetrics } from './access-metrics.js';
import { DiskMetrics } from './disk-metrics.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { OpsPort } from './ops-port.js';
import { RequestLog } from './request-log.js';
import { OutboxMetrics } from './outbox-metrics.js';
import { CacheMetrics, CdnMetrics, ServerMetrics } from './service-metrics.js';
import { StorageMetrics } from './storage-metrics.js';

/** Serves operators: health, the metrics of every part, and a port of their own. */
@Module({
  imports: [
    AccessModule,
    AvatarsModule,
    CdnModule,
    DeliveryModule,
    ImagesModule,
    OUTBOX,
    StorageHealthModule,
    StorageModule,
    UploadsModule,
  ],
  controllers: [MetricsController, HealthController],
  providers: [
    AccessMetrics,
    CacheMetrics,
    CdnMetrics,
    DiskMetrics,
    OpsPort,
    OutboxMetrics,
    RequestLog,
    ServerMetrics,
    StorageMetrics,
  ],
})
export class OpsModule {}
