import { statfs } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { Settings } from '../config/settings.js';
import { StandIns } from '../delivery/stand-ins.js';
import { Outbox } from '../outbox/outbox.js';
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

@Injectable()
export class OutboxMetrics {
  constructor(metrics: Metrics, outbox: Outbox) {
    if (!outbox.enabled) return;
    metrics.show({
      visage_outbox_entries: {
        type: 'gauge',
        help: 'Changes accepted but not yet in the bucket.',
        read: () => outbox.report().entries,
      },
      visage_outbox_bytes: {
        type: 'gauge',
        help: 'Size of the outbox on disk, including entries set aside.',
        read: () => outbox.report().bytes,
      },
      visage_outbox_max_entries: {
        type: 'gauge',
        help: 'Limit of the entries in the outbox, including those set aside.',
        read: () => outbox.limits.maxEntries,
      },
      visage_outbox_max_bytes: {
        type: 'gauge',
        help: 'Limit of visage_outbox_bytes.',
        read: () => outbox.limits.maxBytes,
      },
      visage_outbox_oldest_age_seconds: {
        type: 'gauge',
        help: 'Age of the oldest entry in the outbox; 0 if it is empty.',
        read: () => outbox.report().oldestAgeMs / 1000,
      },
      visage_outbox_set_aside_entries: {
        type: 'gauge',
        help: 'Changes that cannot be carried out and wait for an operator.',
        read: () => outbox.report().setAside,
      },
    });
  }
}

@Injectable()
export class DiskMetrics {
  private readonly free: Record<string, number> = {};
  private readonly size: Record<string, number> = {};

  constructor(metrics: Metrics, settings: Settings, outbox: Outbox) {
    const lookAtAll = () => {
      if (settings.storageBackend === 'local') void this.look('storage', settings.storageLocalPath);
      if (outbox.enabled) void this.look('outbox', settings.outboxPath);
      void this.look('spool', settings.uploadSpoolPath);
    };
    lookAtAll();
    metrics.show({
      visage_disk_free_bytes: {
        type: 'gauge',
        help: 'Free space on the disk of a folder.',
        labels: ['folder'],
        read: () => {
          // What is found is for the next scrape: this one must not wait for a disk that hangs.
          lookAtAll();
          return this.free;
        },
      },
      visage_disk_size_bytes: {
        type: 'gauge',
        help: 'Size of the disk of a folder.',
        labels: ['folder'],
        read: () => this.size,
      },
    });
  }

  private async look(folder: string, path: string): Promise<void> {
    try {
      const { bavail, blocks, bsize } = await statfs(path);
      this.free[folder] = bavail * bsize;
      this.size[folder] = blocks * bsize;
    } catch {
      // A folder that is gone keeps its last values. The part that uses it tells so in its metrics and in the
      // log.
    }
  }
}

/** 1 for the current one, 0 for the others. */
function oneOf<T extends string>(all: readonly T[], current: NoInfer<T>): Reading {
  return Object.fromEntries(all.map((each) => [each, Number(each === current)]));
}
