import { Module } from '@nestjs/common';
import { readElementScript } from './element-script.js';
import { ELEMENT_SCRIPT, UiController } from './ui.controller.js';

/** What a browser gets to change a picture: the element of `web/`. */
@Module({
  controllers: [UiController],
  providers: [{ provide: ELEMENT_SCRIPT, useFactory: readElementScript }],
})
export class UiModule {}
