import { Injectable } from '@nestjs/common';
import { Outbox } from '../outbox/outbox.js';
import { Metrics } from './metrics.js';

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
