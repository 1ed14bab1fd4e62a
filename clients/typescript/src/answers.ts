/** Formats of pictures. */
export type Format = 'jpeg' | 'png' | 'webp' | 'avif' | 'gif';

/** What stands for a person without a picture. */
export type Default =
  | '404'
  | 'initials'
  | 'identicon'
  | 'monsterid'
  | 'retro'
  | 'robohash'
  | 'wavatar'
  | 'mp'
  | 'mm'
  | 'color'
  | 'blank';

/** A version of an avatar. */
export interface Version {
  id: string;
  version: string;
  /** Of the master, in px. */
  width: number;
  /** Of the master, in px. */
  height: number;
  /** Of the master. */
  format: 'jpeg' | 'webp';
  /** Of the master. */
  bytes: number;
  animated: boolean;
  /** What was given up so that the master is not too large. */
  reduced?: 'quality' | 'still';
  /** In Base64: https://evanw.github.io/thumbhash/ */
  thumbhash: string;
  /** The dominant color, as `#rrggbb`. */
  color: string;
  /** What the picture shows, in words. */
  alt?: string;
  /** An instant of ISO 8601. */
  uploadedAt: string;
  /** Immutable URLs by their edge in px, and of the `master`. */
  urls: Record<string, string>;
  /** It is safe, but not in the bucket yet. */
  pending?: true;
}

/** The current version of an avatar. */
export interface Info extends Version {
  /** Whether only keys with `admin` may change it. */
  locked?: boolean;
}

/** Where a browser gets a picture. */
export interface PictureUrl {
  url: string;
  version: string;
  /** When a presigned URL ends; null for others. */
  expiresAt: string | null;
}

/** Who uploaded a version. */
export interface By {
  kind: 'key' | 'token' | 'ticket';
  name: string;
}

export interface HistoryVersion extends Version {
  /** Only for keys with `admin`. */
  by?: By;
}

/** Whether changes are refused. */
export interface LockFacts {
  locked: boolean;
  reason?: string;
  at?: string;
}

/** All versions of an avatar that can be restored. */
export interface History {
  id: string;
  /** The current version; null without a picture. */
  current: string | null;
  /** What the last removal hid. */
  hidden?: string;
  /** The newest first. */
  versions: HistoryVersion[];
  /** When it was last erased. */
  erasedAt?: string;
  lock?: LockFacts;
}

export interface Lock extends LockFacts {
  id: string;
  pending?: boolean;
}

/** What a CDN was told to forget. */
export interface Purged {
  accepted: boolean;
  tags?: string[];
  paths?: string[];
}

/** That an avatar is erased. */
export interface Receipt {
  id: string;
  /** Later calls may give it as `before`. */
  erasedAt: string;
  objects: number;
  bytes: number;
  aliases: number;
  /** The bucket is away: the rest follows when it is back. */
  pending: boolean;
  purged?: Purged;
}

/** That a version is removed for good. */
export interface VersionReceipt {
  id: string;
  version: string;
  erasedAt: string;
  objects: number;
  bytes: number;
  pending: boolean;
  purged?: Purged;
}

/** Hashes of the e-mail addresses that stand for an avatar. */
export interface Aliases {
  id: string;
  hashes: string[];
}

export interface AliasesChange extends Aliases {
  /** The avatars that hashes stood for until now, by hash. */
  takenFrom: Record<string, string>;
}

/** All the addresses of an avatar, together at most 50. */
export interface Addresses {
  emails?: string[];
  hashes?: string[];
}

/** What came of one avatar in a call for many. */
export interface AliasesResult {
  id: string;
  /** Of HTTP, as if the call had been for this avatar alone. */
  status: number;
  hashes?: string[];
  takenFrom?: Record<string, string>;
  error?: { code: string; detail: string; parameter?: string; taken?: Record<string, string | null> };
}

/** What to look up: 1 to 1000 different ids and hashes together. */
export interface LookupRequest {
  ids?: string[];
  /** MD5 or SHA-256 of e-mail addresses, in hex. */
  hashes?: string[];
  /** Names by id, for initials. */
  names?: Record<string, string>;
  default?: Default | (string & {});
  /** Edges in px. */
  sizes?: number[];
  format?: Format;
}

export interface LookupEntry {
  /** Null for a hash that stands for no avatar. */
  id: string | null;
  version: string | null;
  /** There is no picture: the URLs show something in its place. */
  default: boolean;
  /** By edge in px, and of the `master` if no sizes were asked for. */
  urls: Record<string, string>;
  thumbhash: string | null;
  color: string | null;
  alt: string | null;
  animated: boolean;
}

/** Why one of the ids or hashes can't be answered. */
export interface LookupFault {
  error: { code: string; detail: string };
}

export interface Lookup {
  avatars: Record<string, LookupEntry | LookupFault>;
  hashes: Record<string, LookupEntry | LookupFault>;
}

/** What a ticket is to allow. */
export interface TicketRequest {
  /** `['upload']` unless you say otherwise. */
  may?: ('upload' | 'remove' | 'restore')[];
  /** In s, at most a day; 600 unless you say otherwise. */
  expiresIn?: number;
  /** The most bytes of the picture. */
  maxBytes?: number;
  /** The origin of the page that may use it. */
  origin?: string;
}

export interface Ticket {
  ticket: string;
  expiresAt: string;
}
