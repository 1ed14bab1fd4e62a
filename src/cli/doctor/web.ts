import { Settings } from '../../config/settings.js';
import { PROBES } from '../../model/keys.js';
import { openStore } from '../../storage/open-store.js';

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
}

/** Fetches a URL as a browser does, without any keys. @returns why not, if nothing answers */
export async function fetchAsBrowser(
  url: string,
  { storageS3TimeoutMs: timeoutMs }: Settings,
  request: { method?: 'PUT' | 'DELETE'; body?: string } = {},
): Promise<Answer | { unreachable: string }> {
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(timeoutMs) });
    return {
      status: answer.status,
      headers: answer.headers,
      bytes: Buffer.from(await answer.arrayBuffer()),
    };
  } catch (error) {
    const { cause, message } = error as Error;
    return { unreachable: cause instanceof Error ? cause.message || String(cause) : message };
  }
}

/**
 * The URLs of the bucket, each with a slash at the end: where the service calls it, and where browsers do if
 * that is another host.
 * @returns none on a disk
 */
export async function bucketUrls(settings: Settings): Promise<string[]> {
  const urls = new Set<string>();
  for (const publicEndpoint of [settings.storageS3Endpoint, settings.storageS3PublicEndpoint]) {
    const store = openStore(
      Object.assign(new Settings(), settings, { storageS3PublicEndpoint: publicEndpoint }),
    );
    const found = await store.getUrl(`${PROBES}x`);
    if (found) urls.add(found.url.slice(0, -`${PROBES}x`.length));
  }
  return [...urls];
}
