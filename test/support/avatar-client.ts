import sharp from 'sharp';
import type { LookupEntry } from '../../clients/typescript/src/index.js';
import { type Answer, type Outgoing, send } from '../http/support/client.js';

export interface VersionJson {
  version: string;
  uploadedAt: string;
  alt?: string;
  pending?: true;
  urls: Record<string, string>;
}

export interface History {
  current: string | null;
  hidden?: string;
  versions: VersionJson[];
  erasedAt?: string;
}

/** One of many pictures that all differ, small and quick to decode. */
export function numbered(i: number): Promise<Buffer> {
  const background = { r: i % 256, g: (i >> 8) % 256, b: 90 };
  return sharp({ create: { width: 48, height: 48, channels: 3, background } })
    .png()
    .toBuffer();
}

/** The calls of the API on one avatar, as a main application makes them. */
export class AvatarClient {
  readonly path: string;

  constructor(
    private readonly url: string,
    id: string,
    /** Of each call. */
    private readonly headers: Record<string, string> = {},
  ) {
    this.path = `/v1/avatars/${id}`;
  }

  send(outgoing: Omit<Outgoing, 'path'> & { suffix?: string }): Promise<Answer> {
    const headers = { ...this.headers, ...outgoing.headers };
    return send(this.url, { ...outgoing, headers, path: `${this.path}${outgoing.suffix ?? ''}` });
  }

  upload(body: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'PUT', body, headers });
  }

  get(suffix = ''): Promise<Answer> {
    return this.send({ suffix });
  }

  delete(headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'DELETE', headers });
  }

  /** @param more of the query, as `&before=...` */
  erase(more = '', headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'DELETE', suffix: `?erase=true${more}`, headers });
  }

  eraseVersion(version: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'DELETE', suffix: `/versions/${version}`, headers });
  }

  restore(version: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'PUT', suffix: '/current', body: JSON.stringify({ version }), headers });
  }

  /** @param query as `?ifFree=true` */
  setAliases(body: { emails?: unknown; hashes?: unknown }, query = ''): Promise<Answer> {
    return this.send({ method: 'PUT', suffix: `/aliases${query}`, body: JSON.stringify(body) });
  }

  async versions(): Promise<History> {
    return jsonOf(await this.get('/versions')) as History;
  }
}

export interface LookupJson {
  avatars: Record<string, LookupEntry>;
  hashes: Record<string, LookupEntry>;
}

export function postLookup(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(url, { method: 'POST', path: '/v1/avatars/lookup', body: JSON.stringify(body), headers });
}

/** What a lookup that has to succeed answers. */
export async function lookup(url: string, body: unknown): Promise<LookupJson> {
  return jsonOf(expectStatus(200, await postLookup(url, body))) as LookupJson;
}

/** The id that a hash stands for. */
export async function idOf(url: string, hash: string): Promise<string | null | undefined> {
  return (await lookup(url, { hashes: [hash] })).hashes[hash]?.id;
}

/** The body of an answer that has to have this status. */
export function expectStatus(status: number, answer: Answer): Answer {
  if (answer.status !== status) throw new Error(`${answer.status}, not ${status}: ${answer.body.toString()}`);
  return answer;
}

export function jsonOf(answer: Answer): unknown {
  return JSON.parse(answer.body.toString());
}

export function versionOf(answer: Answer): string {
  return (jsonOf(answer) as VersionJson).version;
}
