import { FaultProxy } from './fault-proxy.js';
import type { Environment } from './service.js';

/** Puts a proxy in front of a bucket. @returns it, and the environment of a service that reaches the bucket through it */
export async function behindProxy(
  direct: Environment,
): Promise<{ proxy: FaultProxy; environment: Environment }> {
  const { STORAGE_S3_ENDPOINT: endpoint } = direct;
  if (endpoint === undefined) throw new Error('not an environment of a bucket');
  const proxy = await FaultProxy.start(endpoint);
  return { proxy, environment: { ...direct, STORAGE_S3_ENDPOINT: proxy.url } };
}
