import {
  type Framing,
  cropOf,
  fitting,
  moved,
  percentOf,
  turned,
  zoomOf,
  zoomed,
  zoomedTo,
} from './framing.js';
import { followGestures } from './gestures.js';
import { WINDOW_PART, paintPreview, paintStage } from './paint.js';
import type { Picture } from './picture.js';
import { type Texts, fill } from './texts.js';
import type { View } from './view.js';

/** How far a key or a button moves the picture, as a part of the edge of the window. */
const STEP = 1 / 16;
const ZOOM_STEP = 1.1;

/** To the right, and down, by the names of the buttons. */
const DIRECTIONS: Readonly<Record<string, readonly [right: number, down: number]>> = {
  left: [-1, 0],
  up: [0, -1],
  down: [0, 1],
  right: [1, 0],
};

/** `=` is on the key of the plus. */
const ZOOM_KEYS: Readonly<Record<string, number>> = { '+': ZOOM_STEP, '=': ZOOM_STEP, '-': 1 / ZOOM_STEP };

/** What the element that it belongs to tells it, and is told. */
export interface Owner {
  texts(): Texts;
  isRound(): boolean;
  /** Says something to people who don't see it. */
  announce(text: string): void;
  /** The part of the picture is another one. */
  framed(): void;
}

/** Lets the user choose a part of a picture: by gestures, by keys, or by buttons. */
export class Framer {
  #opened: { picture: Picture; framing: Framing } | undefined;
  #frame: number | undefined;

  readonly #view: View;
  readonly #owner: Owner;

  constructor(view: View, owner: Owner) {
    this.#view = view;
    this.#owner = owner;
    followGestures(view.stage, WINDOW_PART, {
      move: (right, down) => {
        this.#change((framing, { size }) => moved(framing, size, right, down));
      },
      zoom: (factor, about) => {
        this.#change((framing, { size }) => zoomed(framing, size, factor, about));
      },
      end: () => {
        this.#announceZoom();
      },
    });
    view.stage.addEventListener('keydown', (event) => {
      this.#press(event);
    });
    view.zoom.addEventListener('input', () => {
      this.#change((framing, { size }) => zoomedTo(framing, size, view.zoom.valueAsNumber));
      this.#announceZoom();
    });
    for (const [name, [right, down]] of Object.entries(DIRECTIONS)) {
      view[name as 'left'].addEventListener('click', () => {
        this.#move(right * STEP, down * STEP);
      });
    }
    view.zoomIn.addEventListener('click', () => {
      this.#zoom(ZOOM_STEP);
    });
    view.zoomOut.addEventListener('click', () => {
      this.#zoom(1 / ZOOM_STEP);
    });
    view.rotate.addEventListener('click', () => {
      this.#turn();
    });
    view.reset.addEventListener('click', () => {
      this.#reset();
    });
    new ResizeObserver(() => {
      this.paintSoon();
    }).observe(view.stage);
  }

  open(picture: Picture): void {
    this.close();
    this.#opened = { picture, framing: fitting(picture.size) };
    this.#view.rotate.hidden = picture.animated;
    this.#changed();
  }

  close(): void {
    this.#opened?.picture.bitmap.close();
    this.#opened = undefined;
  }

  /** The fields of the upload that say what to keep. */
  get fields(): Record<string, string> {
    if (!this.#opened) return {};
    const { framing, picture } = this.#opened;
    const { rotate } = framing;
    return { ...(rotate !== 0 && { rotate: String(rotate) }), crop: cropOf(framing, picture.size) };
  }

  /** Paints everything before the next frame. */
  paintSoon(): void {
    if (this.#frame !== undefined) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = undefined;
      if (!this.#opened) return;
      const { picture, framing } = this.#opened;
      paintStage(this.#view.stage, picture, framing, this.#owner.isRound());
      for (const preview of this.#view.previews) paintPreview(preview, picture, framing);
    });
  }

  #press(event: KeyboardEvent): void {
    if (!this.#opened || event.ctrlKey || event.metaKey || event.altKey) return;
    const [, arrow = ''] = /^Arrow(.*)/.exec(event.key) ?? [];
    const direction = DIRECTIONS[arrow.toLowerCase()];
    const factor = ZOOM_KEYS[event.key];
    if (direction) {
      const step = event.shiftKey ? 1 / this.#opened.framing.side : STEP;
      const [right, down] = direction;
      this.#move(right * step, down * step);
    } else if (factor !== undefined) this.#zoom(factor);
    else return;
    event.preventDefault();
  }

  #move(right: number, down: number): void {
    const texts = this.#owner.texts();
    const isChanged = this.#change((framing, { size }) => moved(framing, size, right, down));
    this.#owner.announce(isChanged ? texts.movedTo : texts.atEdge);
  }

  #zoom(factor: number): void {
    this.#change((framing, { size }) => zoomed(framing, size, factor));
    this.#announceZoom();
  }

  #turn(): void {
    if (!this.#opened) return;
    this.#change((framing, { size }) => turned(framing, size));
    this.#owner.announce(fill(this.#owner.texts().turnedTo, this.#opened.framing.rotate));
  }

  #reset(): void {
    this.#change((_, { size }) => fitting(size));
    this.#owner.announce(this.#owner.texts().wasReset);
  }

  #announceZoom(): void {
    if (!this.#opened) return;
    const { framing, picture } = this.#opened;
    this.#owner.announce(fill(this.#owner.texts().zoomedTo, percentOf(framing, picture.size)));
  }

  /** @returns whether the part is another one now */
  #change(next: (framing: Framing, picture: Picture) => Framing): boolean {
    if (!this.#opened) return false;
    const { picture, framing } = this.#opened;
    this.#opened.framing = next(framing, picture);
    const { rotate, x, y, side } = this.#opened.framing;
    if (rotate === framing.rotate && x === framing.x && y === framing.y && side === framing.side)
      return false;
    this.#changed();
    return true;
  }

  #changed(): void {
    if (!this.#opened) return;
    const { picture, framing } = this.#opened;
    const { zoom } = this.#view;
    zoom.value = String(zoomOf(framing, picture.size));
    zoom.setAttribute('aria-valuetext', `${percentOf(framing, picture.size)} %`);
    this.paintSoon();
    this.#owner.framed();
  }
}
