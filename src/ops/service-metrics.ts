import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { Purges } from '../cdn/purges.js';
import { Constants } from '../config/constants.js';
import { VERSION } from '../config/version.js';
import { DefaultPictures } from '../delivery/default-pictures.js';
import { HotAnswers } from '../delivery/hot-answers.js';
import { Renditions } from '../delivery/renditions.js';
import { SheetMemory } from '../delivery/sheet-memory.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { Connections } from '../server/connections.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import { Metrics, type Reading } from './metrics.js';

const CONSTANTS = new Constants();

@Injectable()
export class ServerMetrics {
  constructor(
    metrics: Metrics,
    connections: Connections,
    hot: HotAnswers,
    pipeline: ImagePipeline,
    uploads: UploadReceiver,
  ) {
    metrics.show({
      visage_build_info: {
        type: 'gauge',
        help: 'The running version, as a label. The value is always 1.',
        labels: ['version'],
        read: () => ({ [VERSION]: 1 }),
      },
      visage_http_hot_answers_total: {
        type: 'counter',
        help: 'Requests answered from memory. The other metrics of requests do not count them.',
        labels: ['method', 'status'],
        read: () => ofEach(hot.counts, (counts) => ({ '2xx': counts[200], '3xx': counts[304] })),
      },
      visage_http_connections: {
        type: 'gauge',
        help: `Open connections. More than ${CONSTANTS.maxConnections} are refused.`,
        read: () => connections.size,
      },
      visage_http_untaken_answer_bytes: {
        type: 'gauge',
        help: 'Memory of answers that clients have not taken yet. A picture sent to several clients counts once.',
        read: () => connections.answers.bytes,
      },
      visage_http_connections_cut_total: {
        type: 'counter',
        help: 'Connections ended early, by reason.',
        labels: ['reason'],
        read: () => connections.cuts,
      },
      visage_image_turns: {
        type: 'gauge',
        help: `Pictures being made, and pictures waiting for a turn. If more than ${CONSTANTS.imageQueue} wait, they are refused.`,
        labels: ['line', 'state'],
        read: () => ofEach(pipeline.turns(), ({ active, waiting }) => ({ active, waiting })),
      },
      visage_uploads_under_way: {
        type: 'gauge',
        help: 'Uploads being received or processed. More than UPLOAD_CONCURRENCY are refused.',
        read: () => uploads.underWay,
      },
    });
  }
}

@Injectable()
export class CacheMetrics {
  constructor(
    metrics: Metrics,
    manifests: AvatarRepository,
    renditions: Renditions,
    drawings: DefaultPictures,
    hot: HotAnswers,
    sheets: SheetMemory,
  ) {
    const caches = { manifests, renditions, drawings, hot, sheets };
    const usage = (read: (usage: CacheUsage) => Reading) => ofEach(caches, (cache) => read(cache.usage()));
    metrics.show({
      visage_cache_lookups_total: {
        type: 'counter',
        help: 'Lookups in the caches, by result.',
        labels: ['cache', 'result'],
        read: () => usage(({ hits, misses }) => ({ hit: hits, miss: misses })),
      },
      visage_cache_entries: {
        type: 'gauge',
        help: 'Entries in the cache.',
        labels: ['cache'],
        read: () => usage(({ entries }) => entries),
      },
      visage_cache_bytes: {
        type: 'gauge',
        help: 'Size of the entries in the cache.',
        labels: ['cache'],
        read: () => usage(({ bytes }) => bytes),
      },
    });
  }
}

@Injectable()
export class CdnMetrics {
  constructor(metrics: Metrics, purges: Purges) {
    if (!purges.enabled) return;
    metrics.show({
      visage_cdn_purges_total: {
        type: 'counter',
        help: 'Purges of the CDN, by outcome: calls that were accepted or failed, and changes that are not purged after all.',
        labels: ['outcome'],
        read: () => purges.counts,
      },
      visage_cdn_purges_waiting: {
        type: 'gauge',
        help: `Avatars that wait to be purged from the CDN, also once more. More than ${CONSTANTS.cdnQueue} are dropped.`,
        read: () => purges.waiting,
      },
    });
  }
}

function ofEach<T>(parts: Readonly<Record<string, T>>, read: (part: T) => Reading): Reading {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, read(part)]));
}
