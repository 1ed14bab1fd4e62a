import { Injectable } from '@nestjs/common';
import { renderAsync } from '@resvg/resvg-js';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ImagePipeline, type Pixels } from '../images/image-pipeline.js';
import type { RenditionFormat } from '../model/formats.js';
import type { PlaceholderKind } from '../model/placeholder-kinds.js';
import { character } from './characters.js';
import { type Colors, type Scheme, colorsOf, colorsOn, greyOf } from './colors.js';
import { drawInitials, drawMysteryPerson, plain } from './drawings.js';
import { Fonts, type Outline } from './fonts.js';
import { chosenInitials, initialsOf, isRightToLeft } from './initials.js';

/** Edges in px. */
const SIZES = { min: 1, max: 2048 } as const;

/** The picture to draw for an avatar that has none. */
export interface Placeholder {
  kind: PlaceholderKind;
  /** Makes the picture differ from others of its kind: an id, or the hash of an e-mail address. */
  seed: string;
  /** Edge in px, from 1 to 2048. */
  size: number;
  scheme?: Scheme | undefined;
  /** A person's name, for the initials. The default is the seed. A seed that says nothing gives a head. */
  name?: string | undefined;
  /** Shown instead of the initials of the name. */
  initials?: string | undefined;
  /** The background as `#rrggbb`, instead of the seed's own. */
  color?: string | undefined;
}

const COLOR = /^#[0-9a-f]{6}$/i;

/** Draws pictures for avatars that have none: the same bytes for the same request, on every machine. */
@Injectable()
export class Placeholders {
  private readonly fonts = new Fonts();
  private readonly drawing: LimitFunction;

  constructor(
    private readonly pipeline: ImagePipeline,
    private readonly settings: Settings,
  ) {
    this.drawing = pLimit(settings.imageConcurrency);
  }

  /**
   * Draws and encodes a picture. `IMAGE_CONCURRENCY` pictures are drawn at the same time, and `IMAGE_QUEUE` may wait.
   * @throws CodedError `busy` too many pictures are waiting to be drawn or encoded
   * @throws RangeError the size is not from 1 to 2048 px, or the color is not `#rrggbb`
   */
  async make(placeholder: Placeholder, format: RenditionFormat): Promise<Buffer> {
    return this.pipeline.encode(await this.draw(placeholder), format);
  }

  private async draw(placeholder: Placeholder): Promise<Pixels> {
    const { size, kind, color } = placeholder;
    const { min, max } = SIZES;
    if (!Number.isInteger(size) || size < min || size > max) {
      throw new RangeError(`The size ${size} is not an integer from ${min} to ${max}.`);
    }
    if (color !== undefined && !COLOR.test(color)) throw new RangeError(`The color ${color} is not #rrggbb.`);
    if (kind === 'blank') return { rgba: Buffer.alloc(size * size * 4), width: size, height: size };
    const { imageConcurrency, imageQueue } = this.settings;
    if (this.drawing.activeCount + this.drawing.pendingCount >= imageConcurrency + imageQueue) {
      throw new CodedError('busy', 'Too many pictures are waiting to be drawn. Try again shortly.');
    }
    return this.drawing(async () => {
      const drawn = await renderAsync(await this.svg(placeholder), {
        fitTo: { mode: 'width', value: size },
        font: { loadSystemFonts: false },
      });
      return { rgba: drawn.pixels, width: drawn.width, height: drawn.height };
    });
  }

  private async svg({ kind, seed, scheme = 'light', color, ...texts }: Placeholder): Promise<string> {
    const colors = color === undefined ? colorsOf(seed, scheme) : colorsOn(color);
    switch (kind) {
      case 'initials':
        return this.initials({ seed, ...texts }, colors);
      case 'mp':
        return drawMysteryPerson(color === undefined ? greyOf(scheme) : colors);
      case 'color':
      case 'blank':
        return plain(colors);
      default:
        return character(kind, seed, colors);
    }
  }

  private async initials(
    { seed, name = '', initials = '' }: Pick<Placeholder, 'seed' | 'name' | 'initials'>,
    colors: Colors,
  ): Promise<string> {
    for (const graphemes of [chosenInitials(initials), initialsOf(name), initialsOf(seed)]) {
      const found = await Promise.all(graphemes.map((grapheme) => this.fonts.outline(grapheme)));
      const outlines = found.filter((outline): outline is Outline => outline !== undefined);
      if (outlines.length === 0) continue;
      return drawInitials(isRightToLeft(graphemes) ? outlines.reverse() : outlines, colors);
    }
    return drawMysteryPerson(colors);
  }
}
