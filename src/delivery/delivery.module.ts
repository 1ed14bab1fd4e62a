import { Module } from '@nestjs/common';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { ImagesModule } from '../images/images.module.js';
import { PlaceholdersModule } from '../placeholders/placeholders.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { BackgroundRenditions } from './background-renditions.js';
import { DefaultPaths } from './default-paths.js';
import { DefaultPictures } from './default-pictures.js';
import { Fallbacks } from './fallbacks.js';
import { GravatarRequests } from './gravatar-requests.js';
import { GravatarService } from './gravatar.service.js';
import { HotAnswers } from './hot-answers.js';
import { HotKeys } from './hot-keys.js';
import { LeftVersions } from './left-versions.js';
import { PictureAnswers } from './picture-answers.js';
import { PictureUrls } from './picture-urls.js';
import { PicturesService } from './pictures.service.js';
import { Renditions } from './renditions.js';
import { SecondLook } from './second-look.js';
import { SheetMemory } from './sheet-memory.js';
import { SheetTiles } from './sheet-tiles.js';
import { SheetTurns } from './sheet-turns.js';
import { SheetsService } from './sheets.service.js';
import { StandIns } from './stand-ins.js';
import { StoredRenditions } from './stored-renditions.js';

/** Serves readers: pictures at any size and in any format, and drawings for avatars without a picture. */
@Module({
  imports: [AvatarsModule, ImagesModule, PlaceholdersModule, StorageModule],
  providers: [
    BackgroundRenditions,
    DefaultPaths,
    DefaultPictures,
    Fallbacks,
    GravatarRequests,
    GravatarService,
    HotAnswers,
    HotKeys,
    LeftVersions,
    PictureAnswers,
    PictureUrls,
    PicturesService,
    Renditions,
    SecondLook,
    SheetMemory,
    SheetTiles,
    SheetTurns,
    SheetsService,
    StandIns,
    StoredRenditions,
  ],
  exports: [
    DefaultPaths,
    DefaultPictures,
    Fallbacks,
    GravatarRequests,
    GravatarService,
    HotAnswers,
    PictureAnswers,
    PictureUrls,
    PicturesService,
    Renditions,
    SheetMemory,
    SheetsService,
    StandIns,
  ],
})
export class DeliveryModule {}
