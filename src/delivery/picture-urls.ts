import { Injectable } from '@nestjs/common';
import { AvatarsService } from '../avatars/avatars.service.js';
import { PendingChanges } from '../avatars/pending-changes.js';
import { Settings } from '../config/settings.js';
import { type RenditionRequest, chooseRendition, keyOfPicture } from '../model/rendition.js';
import { ObjectStore } from '../storage/object-store.js';
import { Renditions } from './renditions.js';

/** The address at which the backend or a CDN serves an object. */
interface StoredUrl {
  /** Undefined if the service itself has to serve it. */
  url: string | undefined;
  /** When a presigned URL stops working; null: never. */
  expiresAt: string | null;
}

/** The address at which a browser gets a picture. */
export interface PictureUrl extends StoredUrl {
  key: string;
  version: string;
  /** Whether the storage vouches for it. Otherwise nobody may cache it. */
  verified: boolean;
}

const OURS: StoredUrl = { url: undefined, expiresAt: null };

/** Gives the URLs at which browsers get pictures, by URL_MODE. */
@Injectable()
export class PictureUrls {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly pending: PendingChanges,
    private readonly renditions: Renditions,
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {}

  /**
   * The URL of the current picture. Makes sure that the store has it, if a browser is to get it there.
   * @returns undefined if there is none, or it was erased meanwhile
   * @throws CodedError `picture_unreadable`; what the pipeline and the store throw
   */
  async getUrl(id: string, request: RenditionRequest = {}): Promise<PictureUrl | undefined> {
    const { value: current, verified } = await this.avatars.get(id);
    if (!current) return undefined;
    const { version, master } = current;
    const rendition = chooseRendition(current, request, this.settings.avatarSizes);
    const picture = { id, version, master, rendition };
    const facts = { key: keyOfPicture(picture), version, verified };
    // The backend cannot serve a picture that still waits in the outbox.
    if (this.settings.urlMode === 'service' || this.pending.isWaiting(id, version))
      return { ...facts, ...OURS };
    if (!(await this.renditions.ensureKept(picture))) return undefined;
    return { ...facts, ...(await this.storedUrl(facts.key)) };
  }

  private async storedUrl(key: string): Promise<StoredUrl> {
    const { urlMode, publicBaseUrl, urlExpiresIn } = this.settings;
    if (urlMode === 'presigned') {
      const presigned = await this.store.getUrl(key, { expiresIn: urlExpiresIn });
      return { url: presigned?.url, expiresAt: presigned?.expiresAt?.toISOString() ?? null };
    }
    if (publicBaseUrl !== undefined) return { url: `${publicBaseUrl}/${key}`, expiresAt: null };
    return { url: (await this.store.getUrl(key))?.url, expiresAt: null };
  }
}
