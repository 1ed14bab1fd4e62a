import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import type { Settings } from '../config/settings.js';
import { HotAnswers } from '../delivery/hot-answers.js';
import { Renditions } from '../delivery/renditions.js';
import type { Connections } from '../http/connections.js';
import { problemCodeOf } from '../http/problem.filter.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { Outbox } from '../outbox/outbox.js';
import { GuardedStore } from '../storage/guarded.store.js';
import type { ObjectStore } from '../storage/object-store.js';
import { UNBOUNDED } from '../storage/storage.module.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import {
  registerBreaker,
  registerCaches,
  registerConnections,
  registerDisks,
  registerHotAnswers,
  registerOutbox,
  registerStorage,
  registerTurns,
  registerUploads,
  registerVanished,
} from './gauges.js';
import { Metrics } from './metrics.js';
import { StorageHealth } from './storage-health.js';

/** Connects the parts of the service with its metrics; before it listens. */
export function observe(app: NestFastifyApplication, settings: Settings, connections: Connections): void {
  const metrics = app.get(Metrics);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', (request, reply, done) => {
      metrics.requestAnswered({
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        problem: problemCodeOf(request),
        ms: reply.elapsedTime,
      });
      done();
    });

  const { registry } = metrics;
  const hot = app.get(HotAnswers);
  registerHotAnswers(registry, () => hot.counts);
  registerConnections(registry, () => ({
    open: connections.size,
    untakenBytes: connections.answers.bytes,
    cuts: connections.cuts,
  }));
  const [manifests, renditions] = [app.get(AvatarRepository), app.get(Renditions)];
  registerCaches(registry, () => ({
    manifests: manifests.usage(),
    renditions: renditions.usage(),
    hot: hot.usage(),
  }));
  registerVanished(registry, () => manifests.vanished);
  const pipeline = app.get(ImagePipeline);
  registerTurns(registry, () => pipeline.turns());
  const uploads = app.get(UploadReceiver);
  registerUploads(registry, () => uploads.underWay);
  const outbox = app.get<Outbox | undefined>(Outbox);
  if (outbox) registerOutbox(registry, () => ({ ...outbox.report(), ...outbox.limits }));
  registerDisks(registry, {
    ...(settings.storageBackend === 'local' && { storage: settings.storageLocalPath }),
    ...(outbox && { outbox: settings.outboxPath }),
    spool: settings.uploadSpoolPath,
  });
  const store = app.get<ObjectStore>(UNBOUNDED);
  if (store instanceof GuardedStore) registerBreaker(registry, () => store.circuit);
  const health = app.get(StorageHealth);
  registerStorage(registry, () => {
    // For the next scrape: this one must not wait for a storage that does not answer.
    void health.ask();
    return health.last;
  });
}
