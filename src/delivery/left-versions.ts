import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { pictureUnreadable } from '../avatars/damage.js';
import { SingleFlight } from '../tools/single-flight.js';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { measureMaster } from '../images/measure-master.js';
import { MASTER_FORMATS } from '../model/formats.js';
import { pictureKey } from '../model/keys.js';
import type { RenditionSource } from '../model/rendition.js';
import { keyOfPicture } from '../model/rendition.js';
import { Renditions } from './renditions.js';
import { StoredRenditions } from './stored-renditions.js';

/** How long the store is not asked again for a version, in ms. Anybody can make up versions. */
const KNOWN_MS = 10_000;

/** Memory of an entry, generously, in bytes. */
const ENTRY_BYTES = 512;

/** What is known of a version: no source if the store has no master of it. */
interface Known {
  source: RenditionSource | undefined;
}

/** Finds the versions that have left the history of their avatar, whose URLs work until they are deleted. */
@Injectable()
export class LeftVersions {
  private readonly known: LRUCache<string, Known>;
  private readonly asking = new SingleFlight<Known>();

  constructor(
    private readonly stored: StoredRenditions,
    private readonly renditions: Renditions,
    settings: Settings,
  ) {
    const max = Math.max(1, Math.floor(cacheSharesOf(settings).leftVersions / ENTRY_BYTES));
    this.known = new LRUCache({ max, ttl: KNOWN_MS });
  }

  /**
   * @returns undefined if the store has no such version
   * @throws CodedError `picture_unreadable` if its master is damaged; what the store throws
   */
  async find(id: string, version: string): Promise<RenditionSource | undefined> {
    const key = pictureKey(id, version, '');
    const { source } = this.known.get(key) ?? (await this.asking.run(key, () => this.ask(key, id, version)));
    return source;
  }

  private async ask(key: string, id: string, version: string): Promise<Known> {
    const known = { source: await this.read(id, version) };
    this.known.set(key, known);
    return known;
  }

  private async read(id: string, version: string): Promise<RenditionSource | undefined> {
    for (const format of MASTER_FORMATS) {
      const picture = { id, version, master: format, rendition: { format } };
      const found = await this.stored.get(picture, { guessed: true });
      if (!found) continue;
      const measures = measureMaster(found.bytes, format);
      const damage = found.damage ?? (measures ? undefined : 'Its header cannot be read.');
      if (!measures || damage !== undefined) throw pictureUnreadable(keyOfPicture(picture), damage ?? '');
      this.renditions.remember(picture, found.bytes);
      return { master: format, ...measures };
    }
    return undefined;
  }
}
