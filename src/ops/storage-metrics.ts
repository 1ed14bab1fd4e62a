import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { Settings } from '../config/settings.js';
import { StandIns } from '../delivery/stand-ins.js';
import { DiscardedReads } from '../storage/discarded-reads.js';
import { StorageCircuit } from '../storage/guarded.store.js';
import { StorageHealth } from '../storage/health/storage-health.js';
import { Metrics, type Reading } from './metrics.js';

@Injectable()
export class StorageMetrics {
  constructor(
    metrics: Metrics,
    health: StorageHealth,
    manifests: AvatarRepository,
    discarded: DiscardedReads,
    standIns: StandIns,
    circuit: StorageCircuit,
    settings: Settings,
  ) {
    metrics.show({
      visage_storage_reachable: {
        type: 'gauge',
        help: 'Whether the storage could be used at the last check: 1 or 0.',
        labels: ['backend'],
        read: () => {
          // The answer is for the next scrape: this one must not wait for a storage that hangs.
          void health.ask();
          return health.last ? { [health.last.backend]: Number(health.last.reachable) } : {};
        },
      },
      visage_storage_conditional_writes: {
        type: 'gauge',
        help: 'How the storage treats conditional writes: 1 for the current kind, 0 for the others.',
        labels: ['kind'],
        read: () =>
          oneOf(
            ['honoured', 'unreliable', 'emulated', 'unknown'],
            health.last?.conditionalWrites ?? 'unknown',
          ),
      },
      visage_manifests_vanished_total: {
        type: 'counter',
        help: 'Manifests that have vanished from the storage. Visage itself never deletes one.',
        read: () => manifests.vanished,
      },
      visage_storage_discarded_reads_total: {
        type: 'counter',
        help: 'Reads that gave other bytes than were stored. They were discarded, and read again.',
        read: () => discarded.count,
      },
      visage_storage_stand_ins_total: {
        type: 'counter',
        help: 'Defaults in place of a picture, because the storage was away.',
        read: () => standIns.whileAwayCount,
      },
      ...(settings.storageBackend !== 'local' && {
        visage_breaker_state: {
          type: 'gauge',
          help: 'State of the circuit breaker around the store: 1 for the current state, 0 for the others.',
          labels: ['state'],
          read: () => oneOf(['closed', 'open', 'half_open'], circuit.state),
        },
      }),
    });
  }
}

/** 1 for the current one, 0 for the others. */
function oneOf<T extends string>(all: readonly T[], current: NoInfer<T>): Reading {
  return Object.fromEntries(all.map((each) => [each, Number(each === current)]));
}
