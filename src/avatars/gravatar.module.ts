import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { GravatarController } from '../api/gravatar.controller.js';
import type { Config } from '../config/config.module.js';
import { DefaultPictures } from '../delivery/default-pictures.js';
import { GravatarRequests } from '../delivery/gravatar-request.js';
import { GravatarService } from '../delivery/gravatar.service.js';
import { Aliases } from './aliases.js';
import { AvatarsModule } from './avatars.module.js';
import { AvatarsService } from './avatars.service.js';

@Module({
  imports: [AvatarsModule],
  controllers: [GravatarController],
  providers: [
    {
      provide: GravatarService,
      inject: [Aliases, AvatarsService, DefaultPictures],
      useFactory: (aliases: Aliases, avatars: AvatarsService, defaults: DefaultPictures) =>
        new GravatarService(aliases, avatars, defaults),
    },
    {
      provide: GravatarRequests,
      inject: [ConfigService],
      useFactory: (config: Config) => {
        const settings = config.get('settings', { infer: true });
        const { gravatarMaxSize: maxSize, gravatarDefaultUrls, avatarDefault } = settings;
        // Clients of these routes say so themselves where they want nothing.
        const usual = avatarDefault === '404' ? 'mp' : avatarDefault;
        return new GravatarRequests({ maxSize, usual, urls: gravatarDefaultUrls.map((url) => new URL(url)) });
      },
    },
  ],
})
export class GravatarModule {}
