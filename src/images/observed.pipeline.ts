import { CodedError, type ErrorCode } from '../errors.js';
import type { Framing, RenditionFormat } from '../model/formats.js';
import type { SheetLayout } from '../model/sheet.js';
import {
  type ImageLine,
  ImagePipeline,
  type ImageTurns,
  type Master,
  type Pixels,
  type Rendering,
} from './image-pipeline.js';

export interface PictureAttempt {
  kind: 'master' | 'rendition' | 'sheet';
  /** Why there is no picture: the error's code, or `internal` if the error has none. */
  outcome: 'made' | 'internal' | ErrorCode;
  /** The time in ms, including the wait for a turn. */
  ms: number;
}

/**
 * Hears of every picture that was made or refused: the port and its injection token, which a module may leave
 * out.
 */
export abstract class PictureObserver {
  abstract pictureAttempted(attempt: PictureAttempt): void;
}

/** Tells an observer of every picture of another pipeline. */
export class ObservedPipeline extends ImagePipeline {
  constructor(
    private readonly inner: ImagePipeline,
    private readonly observer: PictureObserver,
  ) {
    super();
  }

  override makeMaster(path: string, framing?: Framing): Promise<Master> {
    return this.observe('master', () => this.inner.makeMaster(path, framing));
  }

  override render(master: Buffer, rendering: Rendering, group?: string): Promise<Buffer> {
    return this.observe('rendition', () => this.inner.render(master, rendering, group));
  }

  override encode(pixels: Pixels, format: RenditionFormat): Promise<Buffer> {
    return this.observe('rendition', () => this.inner.encode(pixels, format));
  }

  override compose(tiles: readonly (Buffer | undefined)[], layout: SheetLayout): Promise<Buffer> {
    return this.observe('sheet', () => this.inner.compose(tiles, layout));
  }

  override get composer(): string {
    return this.inner.composer;
  }

  override whenIdle(): Promise<void> {
    return this.inner.whenIdle();
  }

  override turns(): Record<ImageLine, ImageTurns> {
    return this.inner.turns();
  }

  private async observe<T>(kind: PictureAttempt['kind'], make: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let outcome: PictureAttempt['outcome'] = 'internal';
    try {
      const picture = await make();
      outcome = 'made';
      return picture;
    } catch (error) {
      if (error instanceof CodedError) outcome = error.code;
      throw error;
    } finally {
      this.observer.pictureAttempted({ kind, outcome, ms: performance.now() - started });
    }
  }
}
