import { statfs } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Outbox } from '../outbox/outbox.js';
import { Metrics } from './metrics.js';

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
