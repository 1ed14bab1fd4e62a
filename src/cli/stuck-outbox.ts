import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isVersion, timeOfVersion } from '../avatars/keys.js';
import type { Settings } from '../config/settings.js';
import { LocalStore } from '../storage/local.store.js';
import type { Repairable } from './inspector.js';
import { read } from './verified-copy.js';

/** What waits longer than this, in ms, though the bucket answers, waits for a service that does not run. */
const STUCK_AFTER_MS = 3_600_000;

/** Looks into the outbox of this machine, and leaves it to the service that owns it. */
export async function* stuckInOutbox(settings: Settings): AsyncIterable<Repairable> {
  const { outboxPath, storageBackend, storageFallback, storageLocalLockTimeoutMs } = settings;
  if (storageBackend !== 's3' || storageFallback === 'none' || !existsSync(outboxPath)) return;
  const slots = (await readdir(outboxPath)).filter((name) => /^slot-\d+$/.test(name)).sort();
  for (const slot of slots) {
    const path = join(resolve(outboxPath), slot);
    const store = new LocalStore({ path, lockTimeoutMs: storageLocalLockTimeoutMs });
    for await (const { key } of store.list('')) {
      const [, place, name = ''] = /^(pending|aside)\/(.+)\.json$/.exec(key) ?? [];
      if (place === 'aside') {
        const reason = (await read(store, `aside/${name}.reason`))?.bytes.toString().trim();
        const message = `A change that was accepted cannot be carried out: ${reason ?? 'no reason was noted'}`;
        yield { code: 'outbox_set_aside', where: join(path, key), message };
      }
      const since = isVersion(name) ? timeOfVersion(name) : 0;
      if (place === 'pending' && Date.now() - since > STUCK_AFTER_MS) {
        const message = `A change that was accepted at ${new Date(since).toISOString()} waits: start the service here.`;
        yield { code: 'outbox_stuck', where: join(path, key), message };
      }
    }
  }
}
