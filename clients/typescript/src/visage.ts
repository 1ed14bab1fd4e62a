import type {
  Addresses,
  Aliases,
  AliasesChange,
  AliasesResult,
  Default,
  Format,
  History,
  Info,
  Lock,
  Lookup,
  LookupRequest,
  PictureUrl,
  Receipt,
  Ticket,
  TicketRequest,
  Version,
  VersionReceipt,
} from './answers.js';
import { type Body, type Picture, bodyOf } from './body.js';
import { json, make } from './calls.js';
import { VisageError } from './error.js';
import { pathOf, queryOf } from './paths.js';
import * as pictures from './pictures.js';

const DEFAULT_TIMEOUT_MS = 30_000;

export interface VisageOptions {
  /** Where the service is, as `http://visage:3000`. */
  baseUrl: string;
  /** A key, token or ticket. Reads of pictures need none. */
  key?: string;
  /** Where browsers find the service, if that is elsewhere: for `src` and all that goes on pages. */
  publicUrl?: string;
  /** For a call with all its tries, in ms; 30 s unless you say otherwise. */
  timeoutMs?: number;
}

export interface CallOptions {
  /** Ends the call. What it was aborted with is thrown. */
  signal?: AbortSignal;
}

export interface ChangeOptions extends CallOptions {
  /** Only if this version is current; `*`: only if there is a picture. Otherwise `precondition_failed`. */
  ifMatch?: string;
}

export interface UploadOptions extends ChangeOptions {
  /** In px of the upright picture, after `rotate`: `x,y,width,height`. */
  crop?: { x: number; y: number; width: number; height: number };
  /** By how many degrees to turn it clockwise. */
  rotate?: 0 | 90 | 180 | 270;
  /** What it shows, in words: at most 250 characters. */
  alt?: string;
  /** Only if there is no picture. */
  ifNone?: boolean;
}

export interface GetOptions extends CallOptions {
  /** In px. */
  size?: number;
  format?: Format | 'auto';
  animated?: boolean;
  default?: Default | (string & {});
  name?: string;
  scheme?: 'light' | 'dark';
}

/**
 * Calls Visage. All calls try again after a lost connection and a 503, within `timeoutMs`, and throw a {@link VisageError} if they fail.
 */
export class Visage {
  private readonly base: string;
  private readonly pages: string;
  private readonly key: string | undefined;
  private readonly timeoutMs: number;

  /** @throws TypeError if a URL is not one of http or https */
  constructor({ baseUrl, key, publicUrl = baseUrl, timeoutMs = DEFAULT_TIMEOUT_MS }: VisageOptions) {
    this.base = baseOf(baseUrl);
    this.pages = baseOf(publicUrl);
    this.key = key;
    this.timeoutMs = timeoutMs;
  }

  /**
   * Makes a picture the current one.
   * @param picture bytes, a file, a stream, or the request of a browser, which is passed on unread
   * @throws VisageError those with `forUsers` are about the picture
   */
  async upload(id: string, picture: Picture, options: UploadOptions = {}): Promise<Version> {
    const { crop, rotate, alt, ifNone } = options;
    const region = crop && [crop.x, crop.y, crop.width, crop.height].join(',');
    const query = queryOf({ crop: region, rotate, alt });
    const headers = ifNone === true ? { 'If-None-Match': '*' } : {};
    return this.send('PUT', `${pathOf(id)}${query}`, { ...options, headers, body: bodyOf(picture) });
  }

  /**
   * The picture, or what is shown without one.
   * @returns the answer of HTTP, whose body is not read yet
   * @throws VisageError `avatar_not_found` with `default: '404'`
   */
  get(id: string, { signal, ...wanted }: GetOptions = {}): Promise<Response> {
    return this.call('GET', pathOf(id) + queryOf({ ...wanted }), { signal }, (answer) =>
      Promise.resolve(answer),
    );
  }

  /** Whether there is a picture. */
  async exists(id: string, options: CallOptions = {}): Promise<boolean> {
    const { exists } = await this.read<{ exists: boolean }>(`${pathOf(id)}/exists`, options);
    return exists;
  }

  /** Where a browser gets the picture; null if there is none. */
  url(
    id: string,
    { size, format, animated, signal }: Pick<GetOptions, 'size' | 'format' | 'animated' | 'signal'> = {},
  ): Promise<PictureUrl | null> {
    const query = queryOf({ size, format, animated });
    return orNull(this.read(`${pathOf(id)}/url${query}`, { signal }));
  }

  /** The current version; null if there is none. */
  info(id: string, options: CallOptions = {}): Promise<Info | null> {
    return orNull(this.read(`${pathOf(id)}/info`, options));
  }

  /** Tells about up to 1000 avatars at once. Every URL shows something. */
  lookup(request: LookupRequest, options: CallOptions = {}): Promise<Lookup> {
    return this.send('POST', '/v1/avatars/lookup', { ...options, json: request });
  }

  /**
   * Hides the avatar and all its pictures; {@link undo} shows them again.
   * @returns `pending`: the bucket is away, but it will be
   */
  remove(id: string, options: ChangeOptions = {}): Promise<{ pending: boolean }> {
    const pending = ({ status }: Response) => Promise.resolve({ pending: status === 202 });
    return this.call('DELETE', pathOf(id), { ...options, keyed: true }, pending);
  }

  /** Makes a version of the history current. */
  restore(id: string, version: string, options: ChangeOptions = {}): Promise<Version> {
    return this.send('PUT', `${pathOf(id)}/current`, { ...options, json: { version } });
  }

  /**
   * Shows again what the last {@link remove} hid. To undo an upload, {@link restore} what was current before.
   * @returns null if there is nothing to undo: there is a picture, or none was removed
   */
  async undo(id: string, options: CallOptions = {}): Promise<Version | null> {
    const { current, hidden } = await this.versions(id, options);
    if (current !== null || hidden === undefined) return null;
    const headers = { 'If-None-Match': '*' };
    return this.send('PUT', `${pathOf(id)}/current`, { ...options, headers, json: { version: hidden } });
  }

  /** The history. */
  versions(id: string, options: CallOptions = {}): Promise<History> {
    return this.send('GET', `${pathOf(id)}/versions`, options);
  }

  /** Removes one version for good. */
  removeVersion(id: string, version: string, options: CallOptions = {}): Promise<VersionReceipt> {
    return this.send('DELETE', `${pathOf(id)}/versions/${encodeURIComponent(version)}`, options);
  }

  /**
   * Removes everything of an avatar for good.
   * @param options `before`: `erasedAt` of an earlier receipt, to erase no more than then
   */
  erase(id: string, { before, ...options }: CallOptions & { before?: string } = {}): Promise<Receipt> {
    const query = queryOf({ erase: true, before });
    return this.send('DELETE', `${pathOf(id)}${query}`, options);
  }

  /** Says what a version shows; null: nothing. @param options `version`: otherwise the current one */
  setAlt(
    id: string,
    alt: string | null,
    { version, ...options }: ChangeOptions & { version?: string } = {},
  ): Promise<Version> {
    return this.send('PUT', `${pathOf(id)}/alt`, { ...options, json: { alt, version } });
  }

  /** Hashes of the e-mail addresses that stand for an avatar. */
  aliases(id: string, options: CallOptions = {}): Promise<Aliases> {
    return this.send('GET', `${pathOf(id)}/aliases`, options);
  }

  /**
   * Sets all the e-mail addresses of an avatar.
   * @param options `ifFree`: take none that stands for another avatar, which is `alias_taken` then
   */
  setAliases(
    id: string,
    addresses: Addresses,
    { ifFree, ...options }: CallOptions & { ifFree?: boolean } = {},
  ): Promise<AliasesChange> {
    const query = queryOf({ ifFree });
    return this.send('PUT', `${pathOf(id)}/aliases${query}`, { ...options, json: addresses });
  }

  /** The same for up to 1000 avatars. Look at each `status`. */
  async setAllAliases(
    avatars: ({ id: string } & Addresses)[],
    { ifFree, ...options }: CallOptions & { ifFree?: boolean } = {},
  ): Promise<AliasesResult[]> {
    const path = `/v1/aliases${queryOf({ ifFree })}`;
    const answer = await this.send<{ avatars: AliasesResult[] }>('PUT', path, {
      ...options,
      json: { avatars },
    });
    return answer.avatars;
  }

  /** Lets a browser change this avatar itself. */
  ticket(id: string, request: TicketRequest = {}, options: CallOptions = {}): Promise<Ticket> {
    return this.send('POST', `${pathOf(id)}/tickets`, { ...options, json: request });
  }

  /** Keeps the picture as it is. @param reason for the person whose avatar it is: at most 250 characters */
  lock(id: string, reason?: string, options: CallOptions = {}): Promise<Lock> {
    return this.send('PUT', `${pathOf(id)}/lock`, { ...options, json: { locked: true, reason } });
  }

  unlock(id: string, options: CallOptions = {}): Promise<Lock> {
    return this.send('PUT', `${pathOf(id)}/lock`, { ...options, json: { locked: false } });
  }

  /** The URL for `<img src>`. It asks nobody. */
  src(shown: pictures.Shown): string {
    return pictures.src(this.pages, shown);
  }

  /** URLs for screens of all densities, for `<img srcset>` beside `sizes`. It asks nobody. */
  srcset(shown: pictures.Shown): string {
    return pictures.srcset(this.pages, shown);
  }

  /** `<img {...visage.avatarProps({ id, name, size: 48 })} />` */
  avatarProps(shown: pictures.ShownImage): pictures.AvatarProps {
    return pictures.avatarProps(this.pages, shown);
  }

  /** `<picture><source {...visage.darkProps(who)} /><img {...visage.avatarProps({ ...who, scheme: 'light' })} /></picture>` */
  darkProps(shown: pictures.Shown): pictures.SourceProps {
    return pictures.darkProps(this.pages, shown);
  }

  private read<T>(path: string, options: Pick<Sent, 'signal'>): Promise<T> {
    return this.call('GET', path, options, json<T>);
  }

  private send<T>(method: string, path: string, options: Omit<Sent, 'keyed'>): Promise<T> {
    return this.call(method, path, { ...options, keyed: true }, json<T>);
  }

  private call<T>(
    method: string,
    path: string,
    { signal, ifMatch, headers, keyed, body, json: value }: Sent,
    read: (answer: Response) => Promise<T>,
  ): Promise<T> {
    const sent: Body | undefined = value
      ? { content: JSON.stringify(value), type: 'application/json', once: false }
      : body;
    return make(
      {
        method,
        url: this.base + path,
        headers: {
          // Without it, a browser asks no leave to read.
          ...(keyed === true && this.key !== undefined && { Authorization: `Bearer ${this.key}` }),
          ...(ifMatch !== undefined && { 'If-Match': ifMatch === '*' ? '*' : `"${ifMatch}"` }),
          ...(sent?.type !== undefined && { 'Content-Type': sent.type }),
          ...headers,
        },
        ...(sent && { body: sent }),
        timeoutMs: this.timeoutMs,
        signal,
      },
      read,
    );
  }
}

interface Sent {
  signal?: AbortSignal | undefined;
  ifMatch?: string;
  headers?: Record<string, string>;
  /** Whether the call needs a key. */
  keyed?: boolean;
  body?: Body;
  json?: object;
}

function baseOf(url: string): string {
  const { protocol, href } = new URL(url);
  if (!/^https?:$/.test(protocol)) throw new TypeError(`${url} is no URL of http or https.`);
  return href.replace(/\/+$/, '');
}

async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof VisageError && error.code === 'avatar_not_found') return null;
    throw error;
  }
}
