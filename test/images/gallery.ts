import sharp from 'sharp';
import request, { type Response } from 'supertest';
import { local } from '../support/local.js';
import { meanDistance } from '../support/pictures.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

/** The service's description of an avatar. */
export interface Info {
  width: number;
  height: number;
  format: string;
  animated: boolean;
  thumbhash: string;
  color: string;
  bytes: number;
  reduced?: string;
  urls: Record<string, string>;
}

export interface Shown {
  /** The answer to the upload. */
  answer: Info;
  info: Info;
  master: Buffer;
  /** Gets a rendition by a query. The default format is the master's. */
  as: (query: Record<string, string | number>) => Promise<Buffer>;
  /** Uploads the same picture once more. */
  again: (picture: Buffer) => Promise<Info>;
  versions: () => Promise<Info[]>;
}

/** A running service that shows pictures, each under an id of its own. */
export class Gallery {
  private count = 0;

  private constructor(private readonly service: RunningService) {}

  static async open(settings: Environment = {}): Promise<Gallery> {
    return new Gallery(await startService({ ...(await local.environment()), ...settings }));
  }

  close(): Promise<number | null> {
    return this.service.stop();
  }

  /** Uploads a picture, asks for its description, and gets its master. */
  async show(picture: Buffer, query: Record<string, string> = {}): Promise<Shown> {
    const path = this.nextPath();
    const answer = await request(this.service.url).put(path).query(query).send(picture);
    return this.shown(path, answer);
  }

  /** The same with a form. */
  async showForm(picture: Buffer, fields: Record<string, string>): Promise<Shown> {
    const path = this.nextPath();
    const form = request(this.service.url).put(path).field(fields);
    return this.shown(path, await form.attach('file', picture, 'a.jpg'));
  }

  /** Uploads a picture that will be refused. @returns status and code, such as `422 unreadable_image` */
  async refusal(picture: Buffer, query: Record<string, string> = {}): Promise<string> {
    const { status, code = '' } = await this.problem(picture, query);
    return `${status} ${code}`;
  }

  /** The same. @returns the parts of the problem */
  async problem(picture: Buffer, query: Record<string, string> = {}) {
    const answer = await request(this.service.url).put(this.nextPath()).query(query).send(picture);
    const { code, detail } = answer.body as { code?: string; detail?: string };
    return { status: answer.status, code, detail };
  }

  private nextPath(): string {
    return `/v1/avatars/picture-${++this.count}`;
  }

  private async shown(path: string, answer: Response): Promise<Shown> {
    if (answer.status !== 201) throw new Error(`the upload was answered ${answer.status}: ${answer.text}`);
    const facts = await request(this.service.url).get(`${path}/info`).expect(200);
    const as = async (query: Record<string, string | number>) => {
      const { format } = facts.body as Info;
      const wanted = { format, ...query };
      const answer = await request(this.service.url).get(path).query(wanted).buffer(true).expect(200);
      return answer.body as Buffer;
    };
    const again = async (picture: Buffer) =>
      (await request(this.service.url).put(path).send(picture).expect(200)).body as Info;
    const versions = async () => {
      const history = await request(this.service.url).get(`${path}/versions`).expect(200);
      return (history.body as { versions: Info[] }).versions;
    };
    const info = facts.body as Info;
    return { answer: answer.body as Info, info, master: await as({}), as, again, versions };
  }
}

/** Decoded pixels of a still picture, or of one frame. */
export class Pixels {
  constructor(
    readonly width: number,
    readonly height: number,
    private readonly rgba: Buffer,
  ) {}

  /** @param x as a share of the width, from 0 to 1, as `y` is of the height */
  at(x: number, y: number): number[] {
    const column = Math.min(Math.floor(x * this.width), this.width - 1);
    const row = Math.min(Math.floor(y * this.height), this.height - 1);
    const start = (row * this.width + column) * 4;
    return [...this.rgba.subarray(start, start + 4)];
  }

  /** The mean distance of the channels of two pictures of the same size, from 0 to 255. */
  distanceTo(other: Pixels): number {
    if (other.width !== this.width || other.height !== this.height) return 255;
    return meanDistance(this.rgba, other.rgba);
  }
}

/** The frames of a picture; a still has one. */
export async function framesOf(picture: Buffer): Promise<Pixels[]> {
  const { data, info } = await sharp(picture, { animated: true })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, pages = 1 } = info;
  const height = info.height / pages;
  const bytes = width * height * 4;
  return Array.from(
    { length: pages },
    (_, page) => new Pixels(width, height, data.subarray(page * bytes, (page + 1) * bytes)),
  );
}

export async function pixelsOf(picture: Buffer): Promise<Pixels> {
  const [first] = await framesOf(picture);
  if (!first) throw new Error('the picture has no frame');
  return first;
}

/** The difference of the channel that differs most. */
export function distance(color: readonly number[], expected: readonly number[]): number {
  return Math.max(...expected.map((value, channel) => Math.abs(value - (color[channel] ?? 255))));
}
