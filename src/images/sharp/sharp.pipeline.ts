import sharp, { type Sharp, type SharpOptions } from 'sharp';
import type { Settings } from '../../config/settings.js';
import type { Framing, RenditionFormat } from '../../model/formats.js';
import type { SheetLayout } from '../../model/sheet.js';
import { CodedError } from '../../errors.js';
import { FairTurns, type TaskOptions } from '../../tools/fair-turns.js';
import {
  COSTLY_SHEET,
  type ImageLine,
  ImagePipeline,
  type ImageTurns,
  type Master,
  type Pixels,
  type Rendering,
} from '../image-pipeline.js';
import { configureLibvips } from './configure-libvips.js';
import { isHarmlessWarning, withDecodingErrors, withRenderingErrors } from './libvips-errors.js';
import { encodeMaster, viewOf } from './master.js';
import { encodeRendition, motionOf } from './rendition.js';
import { COMPOSER, encodeSheet } from './sheet.js';
import { type OpenSource, checkContainer, readHeader } from './source.js';

type Open = (source: string | Buffer, options?: SharpOptions) => Sharp;

/** The pipeline over sharp, which is libvips for Node. It shares the process's one libvips with any other. */
export class SharpPipeline extends ImagePipeline {
  /**
   * Readers do not wait behind uploads, nor behind AVIF, which takes ten times as long as the other formats.
   */
  private readonly lines: Record<ImageLine, FairTurns>;
  private readonly input: SharpOptions;
  /** What to call when nothing is being processed and nothing waits. */
  private readonly idleWaiters: (() => void)[] = [];

  constructor(private readonly settings: Settings) {
    super();
    const { imageConcurrency: turns, imageQueue: queue } = settings;
    this.lines = {
      masters: new FairTurns({ turns, queue, busy }),
      renditions: new FairTurns({ turns, queue, busy }),
      avif: new FairTurns({ turns: 1, queue, busy }),
    };
    this.input = { limitInputPixels: settings.avatarMaxPixels, failOn: 'warning', sequentialRead: true };
    configureLibvips(settings.avatarAllowedTypes);
  }

  override async makeMaster(path: string, framing: Framing = {}): Promise<Master> {
    const format = await checkContainer(path, this.settings);
    return this.queued(this.lines.masters, (open) =>
      withDecodingErrors(async () => {
        const source: OpenSource = (options) => open(path, options);
        const header = await readHeader(source, path, format, this.settings);
        const view = viewOf(header, framing);
        try {
          return await encodeMaster(source, header, view, this.settings);
        } catch (error) {
          if (!isHarmlessWarning(error)) throw error;
          const lenient: OpenSource = (options) => open(path, { ...options, failOn: 'error' });
          return encodeMaster(lenient, header, view, this.settings);
        }
      }),
    );
  }

  override async render(master: Buffer, rendering: Rendering, group?: string): Promise<Buffer> {
    const { size, format, exact = false } = rendering;
    const { moves, pixels, costly } = motionOf(master, rendering);
    return this.queued(
      this.lineOf(format),
      async (open) => {
        const draw = (animated: boolean) => {
          // The limit is for uploads, and may have been higher when this one was accepted.
          const picture = open(master, { animated, limitInputPixels: false });
          const sized = picture.resize(size, size, { withoutEnlargement: !exact });
          return withRenderingErrors(() => encodeRendition(sized, format, animated ? pixels : 0));
        };
        if (!moves) return draw(false);
        const moving = await draw(true);
        return moving.length > this.settings.avatarMasterMaxBytes ? draw(false) : moving;
      },
      { group, costly },
    );
  }

  override async encode({ rgba, width, height }: Pixels, format: RenditionFormat): Promise<Buffer> {
    return this.queued(this.lineOf(format), async (open) => {
      const picture = open(rgba, { raw: { width, height, channels: 4 } });
      return withRenderingErrors(() => encodeRendition(picture, format, 0));
    });
  }

  override async compose(tiles: readonly (Buffer | undefined)[], layout: SheetLayout): Promise<Buffer> {
    return this.queued(
      this.lines.renditions,
      (open) => {
        const deadline = performance.now() + this.settings.imageTimeoutMs;
        return withRenderingErrors(() => encodeSheet(open, tiles, layout, deadline));
      },
      // All sheets share the part of one avatar.
      { group: 'sheets', costly: layout.width * layout.height > COSTLY_SHEET },
    );
  }

  override get composer(): string {
    return COMPOSER;
  }

  override async whenIdle(): Promise<void> {
    if (!this.isIdle) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  override turns(): Record<ImageLine, ImageTurns> {
    const { masters, renditions, avif } = this.lines;
    const turnsOf = ({ active, waiting }: FairTurns) => ({ active, waiting });
    return { masters: turnsOf(masters), renditions: turnsOf(renditions), avif: turnsOf(avif) };
  }

  private get isIdle(): boolean {
    return Object.values(this.lines).every(({ active, waiting }) => active + waiting === 0);
  }

  private lineOf(format: RenditionFormat): FairTurns {
    return format === 'avif' ? this.lines.avif : this.lines.renditions;
  }

  /**
   * @param task gets a function that opens pictures, all of which share one IMAGE_TIMEOUT_MS from the start
   * of the turn
   */
  private async queued<T>(
    line: FairTurns,
    task: (open: Open) => Promise<T>,
    options?: TaskOptions,
  ): Promise<T> {
    const run = () => {
      const deadline = performance.now() + this.settings.imageTimeoutMs;
      return task((source, input = {}) => {
        const seconds = Math.max(1, Math.ceil((deadline - performance.now()) / 1000));
        return sharp(source, { ...this.input, ...input }).timeout({ seconds });
      });
    };
    try {
      return await line.run(run, options);
    } finally {
      if (this.isIdle) for (const resolve of this.idleWaiters.splice(0)) resolve();
    }
  }
}

function busy(): CodedError {
  return new CodedError('busy', 'Too many pictures are waiting to be processed. Try again shortly.');
}
