import { Module } from '@nestjs/common';
import { WEB_FILES, UiController } from './ui.controller.js';
import { readWebFiles } from './web-files.js';

/** What browsers get to change a picture: the element and the pages of `web/`. */
@Module({
  controllers: [UiController],
  providers: [{ provide: WEB_FILES, useFactory: readWebFiles }],
})
export class UiModule {}
