import type { Place } from './framing.js';

/** What gestures ask for. Distances and places are parts of the edge of the window. */
export interface Moves {
  move(right: number, down: number): void;
  zoom(factor: number, about: Place): void;
  /** A gesture is over. */
  end(): void;
}

/** How much a px of a wheel enlarges. One notch is about 100 px. */
const WHEEL = 0.002;

/**
 * Follows a mouse, a pen, or one or two fingers, and the wheel.
 * @param windowPart the edge of the window, as a part of that of the element, in whose middle it is
 */
export function followGestures(element: HTMLElement, windowPart: number, moves: Moves): void {
  const pointers = new Map<number, Place>();
  const placeOf = ({ clientX, clientY }: MouseEvent): Place => {
    const { left, top, width } = element.getBoundingClientRect();
    const start = (1 - windowPart) / 2;
    return {
      x: ((clientX - left) / width - start) / windowPart,
      y: ((clientY - top) / width - start) / windowPart,
    };
  };

  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || pointers.size === 2) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
  });
  element.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = placeOf(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (!other) {
      moves.move(now.x - before.x, now.y - before.y);
      return;
    }
    moves.move((now.x - before.x) / 2, (now.y - before.y) / 2);
    const factor = distance(now, other) / Math.max(distance(before, other), 0.01);
    moves.zoom(factor, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  });
  for (const type of ['pointerup', 'pointercancel'] as const) {
    element.addEventListener(type, (event) => {
      if (pointers.delete(event.pointerId) && pointers.size === 0) moves.end();
    });
  }
  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      // Firefox counts lines for pages that look at `deltaMode`, and px for others.
      moves.zoom(Math.exp(-event.deltaY * WHEEL), placeOf(event));
      moves.end();
    },
    { passive: false },
  );
}

function distance(a: Place, b: Place): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
