import type { Version } from '../../src/model/manifest.js';

/** What manifests say of a picture that no test looks at. */
export const PICTURE = {
  source: 'a'.repeat(64),
  master: 'jpeg',
  width: 1,
  height: 1,
  animated: false,
  bytes: 1,
  thumbhash: 'AAAA',
  color: '#000000',
} as const satisfies Partial<Version>;
