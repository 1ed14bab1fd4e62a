import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import pLimit from 'p-limit';
import { AvatarEvents, type AvatarListener } from '../avatars/avatar.events.js';
import { Settings } from '../config/settings.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import type { Version } from '../model/manifest.js';
import { type PictureRef, chooseRendition, keyOfPicture } from '../model/rendition.js';
import { Renditions } from './renditions.js';

/** Makes renditions before anybody waits for them, and only while nobody waits for another picture. */
@Injectable()
export class BackgroundRenditions implements AvatarListener, OnModuleInit {
  private readonly logger = new Logger(BackgroundRenditions.name);
  private readonly turns = pLimit(1);
  /** Keys of those that wait, are being made, or are on their way to the store. */
  private readonly planned = new Set<string>();

  constructor(
    private readonly renditions: Renditions,
    private readonly pipeline: ImagePipeline,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {}

  onModuleInit(): void {
    this.events.subscribe(this);
  }

  /** Plans the renditions of a new version that most readers ask for. */
  published(id: string, version: Version): void {
    const { avatarWarmSizes, avatarSizes } = this.settings;
    for (const size of avatarWarmSizes.filter((one) => one > 0 && one < version.width)) {
      const rendition = chooseRendition(version, { size, format: 'webp' }, avatarSizes);
      this.plan({ id, version: version.version, master: version.master, rendition });
    }
  }

  /**
   * Plans a rendition. Does nothing if nobody could keep it, or too many are planned already: the next reader
   * asks again.
   */
  plan(picture: PictureRef): void {
    const key = keyOfPicture(picture);
    const isFull = this.planned.size > this.settings.imageBackgroundQueue;
    if (!this.renditions.canKeep(picture)) return;
    if (isFull || this.planned.has(key) || this.renditions.isAtHand(key)) return;
    this.planned.add(key);
    void this.makeAndStore(key, picture).finally(() => this.planned.delete(key));
  }

  private async makeAndStore(key: string, picture: PictureRef): Promise<void> {
    await this.turns(() => this.make(key, picture));
    // An AVIF is only then at hand, and would be planned again by a reader in between.
    await this.renditions.waitUntilStored(key);
  }

  private async make(key: string, picture: PictureRef): Promise<void> {
    try {
      // Before it begins: a reader who wants the same picture meanwhile makes it without waiting.
      await this.pipeline.whenIdle();
      await this.renditions.prepare(picture);
    } catch (error) {
      this.logger.debug({ key, err: error }, 'a rendition could not be made in the background');
    }
  }
}
