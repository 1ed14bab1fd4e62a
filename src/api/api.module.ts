import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { AccessModule } from '../access/access.module.js';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { DeliveryModule } from '../delivery/delivery.module.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { AliasesController } from './aliases/aliases.controller.js';
import { AliasBatchController } from './aliases/batch.controller.js';
import { AvatarsController } from './avatars/avatars.controller.js';
import { VersionAnswers } from './avatars/version-answers.js';
import { GravatarController } from './gravatar/gravatar.controller.js';
import { HistoryController } from './history/history.controller.js';
import { LockController } from './lock/lock.controller.js';
import { LookupController } from './lookup/lookup.controller.js';
import { PicturesController } from './pictures/pictures.controller.js';
import { PublicUrls } from './public-urls.js';
import { SheetsController } from './sheets/sheets.controller.js';
import { TicketsController } from './tickets/tickets.controller.js';

/** The HTTP API. Its filter holds for every route of the service. */
@Module({
  imports: [AccessModule, AvatarsModule, DeliveryModule, UploadsModule],
  controllers: [
    AliasBatchController,
    AliasesController,
    AvatarsController,
    GravatarController,
    HistoryController,
    LockController,
    LookupController,
    PicturesController,
    SheetsController,
    TicketsController,
  ],
  providers: [PublicUrls, VersionAnswers, { provide: APP_FILTER, useClass: ProblemFilter }],
})
export class ApiModule {}
