import sharp from 'sharp';
import { type Answer, type Outgoing, send } from '../http/support/client.js';

export interface VersionJson {
  version: string;
  uploadedAt: string;
  pending?: true;
  urls: Record<string, string>;
}

export interface History {
  current: string | null;
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
  ) {
    this.path = `/v1/avatars/${id}`;
  }

  send(outgoing: Omit<Outgoing, 'path'> & { suffix?: string }): Promise<Answer> {
    return send(this.url, { ...outgoing, path: `${this.path}${outgoing.suffix ?? ''}` });
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

  erase(): Promise<Answer> {
    return this.send({ method: 'DELETE', suffix: '?erase=true' });
  }

  restore(version: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: 'PUT', suffix: '/current', body: JSON.stringify({ version }), headers });
  }

  async versions(): Promise<History> {
    return jsonOf(await this.get('/versions')) as History;
  }
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
