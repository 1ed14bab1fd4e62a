import { Injectable } from '@nestjs/common';
import { renderAsync } from '@resvg/resvg-js';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ImagePipeline, type Pixels } from '../images/image-pipeline.js';
import type { RenditionFormat } from '../model/formats.js';
import { Characters } from './characters.js';
import { type Drawing, type Placeholder, drawingOf } from './drawing.js';
import { drawInitials, drawMysteryPerson, plain } from './svg.js';
import { Fonts, type Outline } from './fonts.js';

/** Edges in px. */
const SIZES = { min: 1, max: 2048 } as const;

/** Draws pictures for avatars that have none: the same bytes for the same drawing, on every machine. */
@Injectable()
export class Placeholders {
  private readonly fonts = new Fonts();
  private readonly characters = new Characters();
  private readonly drawing: LimitFunction;

  constructor(
    private readonly pipeline: ImagePipeline,
    private readonly settings: Settings,
  ) {
    this.drawing = pLimit(settings.imageConcurrency);
  }

  /**
   * Decides how a placeholder looks, without drawing it.
   * @throws RangeError the color is not `#rrggbb`
   */
  resolve(placeholder: Placeholder): Drawing {
    return drawingOf(placeholder, this.fonts);
  }

  /**
   * Draws and encodes a picture. `imageConcurrency` pictures are drawn at the same time, and `imageQueue`
   * may wait.
   * @param size edge in px, from 1 to 2048
   * @throws CodedError `busy` too many pictures are waiting to be drawn or encoded
   * @throws RangeError the size is not from 1 to 2048 px
   */
  async make(drawing: Drawing, size: number, format: RenditionFormat): Promise<Buffer> {
    const { min, max } = SIZES;
    if (!Number.isInteger(size) || size < min || size > max) {
      throw new RangeError(`The size ${size} is not an integer from ${min} to ${max}.`);
    }
    return this.pipeline.encode(await this.draw(drawing, size), format);
  }

  private async draw(drawing: Drawing, size: number): Promise<Pixels> {
    if (drawing.kind === 'blank') return { rgba: Buffer.alloc(size * size * 4), width: size, height: size };
    const { imageConcurrency, imageQueue } = this.settings;
    if (this.drawing.activeCount + this.drawing.pendingCount >= imageConcurrency + imageQueue) {
      throw new CodedError('busy', 'Too many pictures are waiting to be drawn. Try again shortly.');
    }
    return this.drawing(async () => {
      const drawn = await renderAsync(await this.svg(drawing), {
        fitTo: { mode: 'width', value: size },
        font: { loadSystemFonts: false },
      });
      return { rgba: drawn.pixels, width: drawn.width, height: drawn.height };
    });
  }

  private outlines(graphemes: readonly string[]): Promise<Outline[]> {
    return Promise.all(graphemes.map((grapheme) => this.fonts.outline(grapheme)));
  }

  private async svg(drawing: Exclude<Drawing, { kind: 'blank' }>): Promise<string> {
    switch (drawing.kind) {
      case 'initials':
        return drawInitials(await this.outlines(drawing.graphemes), drawing.colors);
      case 'mp':
        return drawMysteryPerson(drawing.colors);
      case 'color':
        return plain(drawing.background);
      case 'identicon':
        return this.characters.draw(drawing.kind, drawing.seed, drawing.colors);
      default:
        return this.characters.draw(drawing.kind, drawing.seed, drawing);
    }
  }
}
