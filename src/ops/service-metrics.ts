import { Injectable, type OnModuleInit, Optional } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { Purges } from '../cdn/purges.js';
import { Settings } from '../config/settings.js';
import { DefaultPictures } from '../delivery/default-pictures.js';
import { HotAnswers } from '../delivery/hot-answers.js';
import { Renditions } from '../delivery/renditions.js';
import { SheetMemory } from '../delivery/sheet-memory.js';
import { StandIns } from '../delivery/stand-ins.js';
import { Connections } from '../http/connections.js';
import { problemCodeOf } from '../http/problem.filter.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { Outbox } from '../outbox/outbox.js';
import { DiscardedReads } from '../storage/discarded-reads.js';
import { StorageCircuit } from '../storage/guarded.store.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import {
  registerBreaker,
  registerCaches,
  registerConnections,
  registerDiscardedReads,
  registerDisks,
  registerHotAnswers,
  registerOutbox,
  registerPurges,
  registerStandIns,
  registerStorage,
  registerTurns,
  registerUploads,
  registerVanished,
} from './gauges.js';
import { Metrics } from './metrics.js';
import { StorageHealth } from '../storage/health/storage-health.js';

/** Reads the parts of the service at each scrape, and counts its requests. The parts know nothing about metrics. */
@Injectable()
export class ServiceMetrics implements OnModuleInit {
  constructor(
    private readonly metrics: Metrics,
    private readonly server: HttpAdapterHost,
    private readonly connections: Connections,
    private readonly hot: HotAnswers,
    private readonly standIns: StandIns,
    private readonly manifests: AvatarRepository,
    private readonly renditions: Renditions,
    private readonly drawings: DefaultPictures,
    private readonly sheets: SheetMemory,
    private readonly pipeline: ImagePipeline,
    private readonly uploads: UploadReceiver,
    private readonly health: StorageHealth,
    private readonly circuit: StorageCircuit,
    private readonly discarded: DiscardedReads,
    private readonly purges: Purges,
    private readonly settings: Settings,
    @Optional() private readonly outbox?: Outbox,
  ) {}

  onModuleInit(): void {
    this.countRequests();
    this.readServer();
    this.readStorage();
  }

  private countRequests(): void {
    const { metrics } = this;
    this.server.httpAdapter.getInstance<FastifyInstance>().addHook('onResponse', (request, reply, done) => {
      metrics.requestAnswered({
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        problem: problemCodeOf(request),
        ms: reply.elapsedTime,
      });
      done();
    });
  }

  private readServer(): void {
    const { registry } = this.metrics;
    const { connections, hot, manifests, renditions, drawings, sheets, pipeline, uploads, purges } = this;
    registerHotAnswers(registry, () => hot.counts);
    registerConnections(registry, () => ({
      open: connections.size,
      untakenBytes: connections.answers.bytes,
      cuts: connections.cuts,
    }));
    registerCaches(registry, () => ({
      manifests: manifests.usage(),
      renditions: renditions.usage(),
      drawings: drawings.usage(),
      hot: hot.usage(),
      sheets: sheets.usage(),
    }));
    registerVanished(registry, () => manifests.vanished);
    registerTurns(registry, () => pipeline.turns());
    registerUploads(registry, () => uploads.underWay);
    if (purges.enabled) registerPurges(registry, () => purges);
  }

  private readStorage(): void {
    const { registry } = this.metrics;
    const { outbox, settings, circuit, discarded, health, standIns } = this;
    if (outbox) registerOutbox(registry, () => ({ ...outbox.report(), ...outbox.limits }));
    registerDisks(registry, {
      ...(settings.storageBackend === 'local' && { storage: settings.storageLocalPath }),
      ...(outbox && { outbox: settings.outboxPath }),
      spool: settings.uploadSpoolPath,
    });
    if (settings.storageBackend !== 'local') registerBreaker(registry, () => circuit.state);
    registerDiscardedReads(registry, () => discarded.count);
    registerStandIns(registry, () => standIns.whileAwayCount);
    registerStorage(registry, () => {
      // The answer is for the next scrape: this one must not wait for a storage that hangs.
      void health.ask();
      return health.last;
    });
  }
}
