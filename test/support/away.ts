import { rename } from 'node:fs/promises';
import type { Backend } from './local.js';
import { FaultProxy } from './fault-proxy.js';
import { storeCalls } from './scrape.js';
import { type Environment, type RunningService, startService } from './service.js';

/** A service whose storage can be taken away. Unless the settings say otherwise, it trusts nothing that it knows: each read asks the storage. */
export interface Losable {
  service: RunningService;
  /** The environment of another one that loses the storage together with this. */
  environment: Environment;
  loseStorage: () => Promise<void>;
  /** The environment of a replica that has the storage while this service has lost it. */
  elsewhere: Environment;
  regainStorage: () => Promise<void>;
  /** The number of calls to the storage so far, without health checks. */
  calls: () => Promise<number>;
  stop: () => Promise<void>;
}

export async function startLosable(backend: Backend, settings: Environment = {}): Promise<Losable> {
  const environment = { ...(await backend.environment()), ...settings };
  const { STORAGE_LOCAL_PATH: root, STORAGE_S3_ENDPOINT: endpoint } = environment;
  const proxy = endpoint === undefined ? undefined : await FaultProxy.start(endpoint);
  const losing = {
    STORAGE_FALLBACK: 'none',
    CACHE_MAX_AGE_MS: '0',
    ...environment,
    ...(proxy && { STORAGE_S3_ENDPOINT: proxy.url }),
  };
  const service = await startService(losing);
  const away = `${root ?? ''}-away`;
  return {
    service,
    environment: losing,
    loseStorage: async () => {
      if (proxy) proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
      else await rename(root ?? '', away);
    },
    elsewhere: { ...environment, ...(root !== undefined && { STORAGE_LOCAL_PATH: away }) },
    regainStorage: async () => {
      if (proxy) proxy.clear();
      else await rename(away, root ?? '');
    },
    calls: () => storeCalls(service.url),
    stop: async () => {
      await service.stop();
      await proxy?.stop();
    },
  };
}
