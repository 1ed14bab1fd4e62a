import { Module } from '@nestjs/common';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { Settings } from '../config/settings.js';
import { Cdn } from './cdn.js';
import { HttpCdn } from './http.cdn.js';
import { NoCdn } from './no.cdn.js';
import { purgeRequestOf } from './purge-request.js';
import { Purges } from './purges.js';

/** Has a CDN in front of the service forget what has changed. */
@Module({
  imports: [AvatarsModule],
  providers: [Purges, { provide: Cdn, inject: [Settings], useFactory: openCdn }],
  exports: [Purges],
})
export class CdnModule {}

/** The driver that the settings ask for. */
async function openCdn(settings: Settings): Promise<Cdn> {
  const { cdnTimeoutMs } = settings;
  switch (settings.cdnPurge) {
    case 'none':
      return new NoCdn();
    case 'http':
      return new HttpCdn(purgeRequestOf(settings), cdnTimeoutMs);
    case 'cloudfront': {
      // Loaded by those who need it: the SDK takes memory.
      const { CloudFrontCdn } = await import('./cloudfront.cdn.js');
      return new CloudFrontCdn(
        settings.cdnCloudfrontDistributionId ?? '',
        settings.cdnCloudfrontBy,
        cdnTimeoutMs,
      );
    }
  }
}
