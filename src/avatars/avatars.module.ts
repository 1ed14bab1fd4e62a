import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { Renditions } from '../delivery/renditions.js';
import { PublicUrls } from '../http/public-urls.js';
import { UploadReceiver } from '../http/upload.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { ImagesModule } from '../images/images.module.js';
import { ObjectStore } from '../storage/object-store.js';
import { StorageModule } from '../storage/storage.module.js';
import { AvatarRepository } from './avatar.repository.js';
import { AvatarsController } from './avatars.controller.js';
import { AvatarsService } from './avatars.service.js';

/** Of CACHE_BYTES, the part that manifests get; pictures get the rest. */
const MANIFEST_SHARE = 1 / 8;

const settingsOf = (config: Config) => config.get('settings', { infer: true });

@Module({
  imports: [StorageModule, ImagesModule],
  controllers: [AvatarsController],
  providers: [
    {
      provide: AvatarRepository,
      inject: [ConfigService, ObjectStore],
      useFactory: (config: Config, store: ObjectStore) => {
        const settings = settingsOf(config);
        return new AvatarRepository(store, {
          history: settings.avatarHistory,
          commitTimeoutMs: settings.avatarCommitTimeoutMs,
          maxAgeMs: settings.cacheMaxAgeMs,
          cacheBytes: settings.cacheBytes * MANIFEST_SHARE,
        });
      },
    },
    {
      provide: Renditions,
      inject: [ConfigService, ObjectStore, ImagePipeline],
      useFactory: (config: Config, store: ObjectStore, pipeline: ImagePipeline) => {
        const settings = settingsOf(config);
        return new Renditions(store, pipeline, {
          cacheBytes: settings.cacheBytes * (1 - MANIFEST_SHARE),
          sizes: settings.avatarSizes,
        });
      },
    },
    {
      provide: AvatarsService,
      inject: [ConfigService, ObjectStore, ImagePipeline, AvatarRepository, Renditions],
      useFactory: (
        config: Config,
        store: ObjectStore,
        pipeline: ImagePipeline,
        repository: AvatarRepository,
        renditions: Renditions,
      ) => {
        const { urlMode, publicBaseUrl, urlExpiresIn } = settingsOf(config);
        return new AvatarsService(store, pipeline, repository, renditions, {
          urlMode,
          publicBaseUrl,
          urlExpiresIn,
        });
      },
    },
    {
      provide: UploadReceiver,
      inject: [ConfigService],
      useFactory: (config: Config) => {
        const settings = settingsOf(config);
        return new UploadReceiver({
          spoolPath: settings.uploadSpoolPath,
          maxBytes: settings.avatarMaxSizeBytes,
          timeoutMs: settings.uploadTimeoutMs,
          concurrency: settings.uploadConcurrency,
        });
      },
    },
    {
      provide: PublicUrls,
      inject: [ConfigService],
      useFactory: (config: Config) => {
        return new PublicUrls(settingsOf(config).serviceBaseUrl);
      },
    },
  ],
})
export class AvatarsModule {}
