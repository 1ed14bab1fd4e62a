import { type DynamicModule, Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import { SettingsModule } from '../../src/config/settings.module.js';
import { ImagePipeline } from '../../src/images/image-pipeline.js';
import { ImagesModule } from '../../src/images/images.module.js';
import { type PictureAttempt, PictureObserver } from '../../src/images/observed.pipeline.js';

const pixels = { rgba: Buffer.alloc(4), width: 1, height: 1 };

class Recorder extends PictureObserver {
  readonly attempts: PictureAttempt[] = [];

  override pictureAttempted(attempt: PictureAttempt): void {
    this.attempts.push(attempt);
  }
}

@Global()
@Module({
  providers: [Recorder, { provide: PictureObserver, useExisting: Recorder }],
  exports: [PictureObserver],
})
class RecorderModule {}

@Module({})
class ProgramModule {}

function contextOf(...modules: NonNullable<DynamicModule['imports']>) {
  const imports = [SettingsModule.with(new Settings()), ImagesModule, ...modules];
  return NestFactory.createApplicationContext(
    { module: ProgramModule, imports },
    { logger: ['error'], abortOnError: false },
  );
}

describe('the images module', () => {
  // The pipeline forbids formats for the whole process, in which other tests run later.
  afterAll(() => {
    sharp.unblock({ operation: ['VipsForeignLoad'] });
  });

  it('works without an observer', async () => {
    const program = await contextOf();
    const picture = await program.get(ImagePipeline, { strict: false }).encode(pixels, 'png');
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    await program.close();
  });

  it('tells an observer of every picture, if there is one', async () => {
    const program = await contextOf(RecorderModule);
    const pipeline = program.get(ImagePipeline, { strict: false });
    await pipeline.encode(pixels, 'png');
    await expect(pipeline.makeMaster('/dev/null')).rejects.toMatchObject({ code: 'unsupported_image' });
    const { attempts } = program.get(Recorder, { strict: false });
    expect(attempts.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['rendition', 'made'],
      ['master', 'unsupported_image'],
    ]);
    await program.close();
  });
});
