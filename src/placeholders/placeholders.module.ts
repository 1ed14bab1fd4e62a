import { Module } from '@nestjs/common';
import { ImagesModule } from '../images/images.module.js';
import { Placeholders } from './placeholders.js';

@Module({
  imports: [ImagesModule],
  providers: [Placeholders],
  exports: [Placeholders],
})
export class PlaceholdersModule {}
