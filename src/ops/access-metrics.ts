import { Injectable } from '@nestjs/common';
import { KeyRing } from '../access/key-ring.js';
import { Metrics } from './metrics.js';

@Injectable()
export class AccessMetrics {
  constructor(metrics: Metrics, keys: KeyRing) {
    if (keys.isEmpty) return;
    metrics.show({
      visage_api_key_requests_total: {
        type: 'counter',
        help: 'Calls that need a key, by the name of the key in API_KEYS, also if its scopes did not do. A key whose count does not grow on any replica can go.',
        labels: ['key'],
        read: () => keys.uses,
      },
    });
  }
}
