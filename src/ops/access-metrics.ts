import { Injectable } from '@nestjs/common';
import { KeyRing } from '../access/key-ring.js';
import { Tokens } from '../access/tokens.js';
import { Metrics } from './metrics.js';

@Injectable()
export class AccessMetrics {
  constructor(metrics: Metrics, keys: KeyRing, tokens: Tokens) {
    if (tokens.keysAgeMs !== undefined) {
      metrics.show({
        visage_jwks_age_seconds: {
          type: 'gauge',
          help: 'How long ago the keys of the identity provider were fetched; until the first time, since the start.',
          read: () => (tokens.keysAgeMs ?? 0) / 1000,
        },
      });
    }
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
