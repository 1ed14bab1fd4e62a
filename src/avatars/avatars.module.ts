import {
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AliasesController } from '../api/aliases.controller.js';
import { AvatarsController } from '../api/avatars.controller.js';
import { LookupController } from '../api/lookup.controller.js';
import type { Config } from '../config/config.module.js';
import { DefaultPictures } from '../delivery/default-pictures.js';
import { HotAnswers } from '../delivery/hot-answers.js';
import { PictureAnswers } from '../delivery/picture-answers.js';
import { Renditions, type Surroundings } from '../delivery/renditions.js';
import { PublicUrls } from '../http/public-urls.js';
import { ImagePipeline } from '../images/image-pipeline.js';
import { ImagesModule } from '../images/images.module.js';
import { Outbox } from '../outbox/outbox.js';
import { OutboxModule } from '../outbox/outbox.module.js';
import { Placeholders } from '../placeholders/placeholders.js';
import { PlaceholdersModule } from '../placeholders/placeholders.module.js';
import { ObjectStore } from '../storage/object-store.js';
import { StorageModule } from '../storage/storage.module.js';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { UploadReceiver } from '../uploads/upload-receiver.js';
import { Adoption } from './adoption.js';
import { Aliases } from './aliases.js';
import { AvatarChanges } from './avatar.changes.js';
import { AvatarObjects } from './avatar.objects.js';
import { AvatarRepository } from './avatar.repository.js';
import { AvatarsService } from './avatars.service.js';
import { Lookup } from './lookup.js';
import { OutboxReplay } from './outbox-replay.js';

/** Of CACHE_BYTES, the parts that manifests, aliases, generated pictures and hot answers get; pictures get the rest. */
const MANIFEST_SHARE = 1 / 8;
const ALIASES_SHARE = 1 / 32;
const DEFAULTS_SHARE = 1 / 16;
const HOT_SHARE = 1 / 8;

const settingsOf = (config: Config) => config.get('settings', { infer: true });

@Module({
  imports: [StorageModule, ImagesModule, OutboxModule, PlaceholdersModule],
  controllers: [AvatarsController, AliasesController, LookupController],
  exports: [Aliases, AvatarsService, DefaultPictures, PictureAnswers],
  providers: [
    {
      provide: AvatarRepository,
      inject: [ConfigService, ObjectStore, Outbox],
      useFactory: (config: Config, store: ObjectStore, outbox: Outbox | undefined) => {
        const settings = settingsOf(config);
        return new AvatarRepository(store, outbox ?? { of: () => [] }, {
          history: settings.avatarHistory,
          commitTimeoutMs: settings.avatarCommitTimeoutMs,
          maxAgeMs: settings.cacheMaxAgeMs,
          maxStaleMs: settings.cacheMaxStaleMs,
          cacheBytes: settings.cacheBytes * MANIFEST_SHARE,
        });
      },
    },
    {
      provide: Aliases,
      inject: [ConfigService, ObjectStore, AvatarRepository],
      useFactory: (config: Config, store: ObjectStore, repository: AvatarRepository) => {
        const { cacheBytes, cacheMaxAgeMs: maxAgeMs, cacheMaxStaleMs: maxStaleMs } = settingsOf(config);
        const options = { maxAgeMs, maxStaleMs, cacheBytes: cacheBytes * ALIASES_SHARE };
        return new Aliases(store, repository, options);
      },
    },
    {
      provide: Renditions,
      inject: [ConfigService, ObjectStore, ImagePipeline, AvatarRepository, AvatarObjects, Outbox],
      useFactory: (
        config: Config,
        store: ObjectStore,
        pipeline: ImagePipeline,
        repository: AvatarRepository,
        objects: AvatarObjects,
        outbox: Outbox | undefined,
      ) => {
        const settings = settingsOf(config);
        const surroundings: Surroundings = {
          pendingMaster: async (id, version) => outbox?.master(id, version),
          knownVersion: (id, version) =>
            repository.lastKnown(id)?.versions.find((known) => known.version === version),
          store: (id, version, rendition, bytes) =>
            objects.storeRendition(id, version, rendition, bytes, () => repository.read(id)),
        };
        return new Renditions(store, pipeline, surroundings, {
          cacheBytes: settings.cacheBytes * (1 - MANIFEST_SHARE - ALIASES_SHARE - DEFAULTS_SHARE - HOT_SHARE),
          sizes: settings.avatarSizes,
          warmSizes: settings.avatarWarmSizes,
          backgroundQueue: settings.imageBackgroundQueue,
        });
      },
    },
    {
      provide: AvatarObjects,
      inject: [ConfigService, ObjectStore],
      useFactory: (config: Config, store: ObjectStore) => {
        const { avatarGraceMs, avatarHistory } = settingsOf(config);
        return new AvatarObjects(store, { graceMs: avatarGraceMs, history: avatarHistory });
      },
    },
    {
      provide: Adoption,
      inject: [ConfigService, ObjectStore, ImagePipeline, AvatarRepository, AvatarObjects],
      useFactory: (
        config: Config,
        store: ObjectStore,
        pipeline: ImagePipeline,
        repository: AvatarRepository,
        objects: AvatarObjects,
      ) => {
        const { uploadSpoolPath: spoolPath, avatarMaxSizeBytes: maxBytes } = settingsOf(config);
        return new Adoption(store, pipeline, repository, objects, { spoolPath, maxBytes });
      },
    },
    {
      provide: AvatarChanges,
      inject: [ConfigService, AvatarRepository, AvatarObjects, Aliases, Renditions, Outbox],
      useFactory: (
        config: Config,
        repository: AvatarRepository,
        objects: AvatarObjects,
        aliases: Aliases,
        renditions: Renditions,
        outbox: Outbox | undefined,
      ) =>
        new AvatarChanges(repository, objects, aliases, renditions, outbox, {
          history: settingsOf(config).avatarHistory,
        }),
    },
    {
      provide: AvatarsService,
      inject: [
        ConfigService,
        ObjectStore,
        ImagePipeline,
        AvatarRepository,
        Adoption,
        AvatarChanges,
        Renditions,
        DefaultPictures,
      ],
      useFactory: (
        config: Config,
        store: ObjectStore,
        pipeline: ImagePipeline,
        repository: AvatarRepository,
        adoption: Adoption,
        changes: AvatarChanges,
        renditions: Renditions,
        defaults: DefaultPictures,
      ) => {
        const { urlMode, publicBaseUrl, urlExpiresIn, avatarDefault } = settingsOf(config);
        return new AvatarsService(store, pipeline, repository, adoption, changes, renditions, defaults, {
          defaultPicture: avatarDefault,
          urlMode,
          publicBaseUrl,
          urlExpiresIn,
        });
      },
    },
    {
      provide: Lookup,
      inject: [ConfigService, AvatarsService, Aliases],
      useFactory: (config: Config, avatars: AvatarsService, aliases: Aliases) =>
        new Lookup(avatars, aliases, settingsOf(config).lookupConcurrency),
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
      provide: JsonReceiver,
      inject: [ConfigService],
      useFactory: (config: Config) => new JsonReceiver(settingsOf(config).uploadTimeoutMs),
    },
    {
      provide: DefaultPictures,
      inject: [ConfigService, Placeholders],
      useFactory: (config: Config, placeholders: Placeholders) => {
        const { cacheBytes, avatarSizes: sizes } = settingsOf(config);
        return new DefaultPictures(placeholders, { sizes, cacheBytes: cacheBytes * DEFAULTS_SHARE });
      },
    },
    {
      provide: HotAnswers,
      inject: [ConfigService],
      useFactory: (config: Config) => {
        const { cacheBytes, cacheMaxAgeMs, logLevel } = settingsOf(config);
        // Where every read is to be logged, or asks the store, the framework has to see it.
        const seesAll = logLevel === 'debug' || logLevel === 'trace' || cacheMaxAgeMs === 0;
        return new HotAnswers(seesAll ? 0 : Math.floor(cacheBytes * HOT_SHARE));
      },
    },
    {
      provide: PictureAnswers,
      inject: [ConfigService, HotAnswers],
      useFactory: (config: Config, hot: HotAnswers) => {
        const settings = settingsOf(config);
        return new PictureAnswers(hot, {
          maxAge: settings.cacheControlMaxAge,
          staleWhileRevalidate: settings.cacheControlStaleWhileRevalidate,
          staleIfError: settings.cacheControlStaleIfError,
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
export class AvatarsModule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly replay: OutboxReplay | undefined;

  constructor(
    changes: AvatarChanges,
    store: ObjectStore,
    @Inject(ConfigService) config: Config,
    @Optional() outbox?: Outbox,
  ) {
    const { outboxReplayIntervalMs: intervalMs, outboxSetAsideAfterMs: setAsideAfterMs } = settingsOf(config);
    this.replay = outbox && new OutboxReplay(outbox, changes, store, { intervalMs, setAsideAfterMs });
  }

  onApplicationBootstrap(): void {
    this.replay?.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.replay?.stop();
  }
}
