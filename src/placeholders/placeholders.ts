import { renderAsync } from '@resvg/resvg-js';
import pLimit, { type LimitFunction } from 'p-limit';
import { CodedError } from '../errors.js';
import type { ImagePipeline, Pixels } from '../images/image-pipeline.js';
import type { RenditionFormat } from '../model/formats.js';
import type { PlaceholderKind } from '../model/placeholder-kinds.js';
import { character } from './characters.js';
import { type Colors, type Scheme, colorsOf, colorsOn, greyOf } from './colors.js';
import { lettering, mysteryPerson, plain } from './drawings.js';
import { Fonts, type Outline } from './fonts.js';
import { chosenInitials, initialsOf, isRightToLeft } from './initials.js';

/** Edges in px. */
export const PLACEHOLDER_SIZES = { least: 1, most: 2048 } as const;

/** A picture for an avatar that has none. */
export interface Placeholder {
  kind: PlaceholderKind;
  /** What the picture is told apart by: an id, or the hash of an e-mail address. */
  seed: string;
  /** Edge in px, 1-2048. */
  size: number;
  scheme?: Scheme | undefined;
  /** Of a person, for the initials. Without it they are taken from the seed, and of a seed that says nothing there is a head. */
  name?: string | undefined;
  /** Initials to show instead of those of the name. */
  initials?: string | undefined;
  /** The background as `#rrggbb`, instead of the seed's own. */
  color?: string | undefined;
}

export interface PlaceholdersOptions {
  /** Pictures drawn at the same time. */
  concurrency: number;
  /** Pictures that may wait for that. */
  queue: number;
}

const COLOR = /^#[0-9a-f]{6}$/i;

/** Draws pictures for avatars without one: the same for the same request, on every machine. */
export class Placeholders {
  private readonly fonts = new Fonts();
  private readonly turn: LimitFunction;

  constructor(
    private readonly pipeline: ImagePipeline,
    private readonly options: PlaceholdersOptions,
  ) {
    this.turn = pLimit(options.concurrency);
  }

  /**
   * @throws CodedError `busy` too many are waiting to be drawn
   * @throws RangeError the size or the color is none
   */
  async make(placeholder: Placeholder, format: RenditionFormat): Promise<Buffer> {
    return this.pipeline.encode(await this.draw(placeholder), format);
  }

  private async draw(placeholder: Placeholder): Promise<Pixels> {
    const { size, kind, color } = placeholder;
    const { least, most } = PLACEHOLDER_SIZES;
    if (!Number.isInteger(size) || size < least || size > most) throw new RangeError(`${size} px is no size`);
    if (color !== undefined && !COLOR.test(color)) throw new RangeError(`${color} is no color`);
    if (kind === 'blank') return { rgba: Buffer.alloc(size * size * 4), width: size, height: size };
    if (this.turn.activeCount + this.turn.pendingCount >= this.options.concurrency + this.options.queue) {
      throw new CodedError('busy', 'Too many pictures are waiting to be drawn. Try again shortly.');
    }
    return this.turn(async () => {
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
        return mysteryPerson(color === undefined ? greyOf(scheme) : colors);
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
      return lettering(isRightToLeft(graphemes) ? outlines.reverse() : outlines, colors);
    }
    return mysteryPerson(colors);
  }
}
