import { Module } from '@nestjs/common';
import { readScripts } from './scripts.js';
import { SCRIPTS, UiController } from './ui.controller.js';

/** What a browser gets to change a picture: the element of `web/`. */
@Module({
  controllers: [UiController],
  providers: [{ provide: SCRIPTS, useFactory: readScripts }],
})
export class UiModule {}
