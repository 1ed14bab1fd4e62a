import { type Framing, type Rotation, type Size, turnedSize } from './framing.js';
import type { Picture } from './picture.js';

/** The edge of the window, as a part of the edge of the stage: the rest shows the picture around it, dimmed. */
export const WINDOW_PART = 0.8;

/** Paints what the window shows onto a whole canvas, as large as the canvas is on the screen. */
export function paintPreview(canvas: HTMLCanvasElement, picture: Picture, framing: Framing): void {
  const context = cleared(canvas);
  paint(context, picture, framing, canvas.width, 0);
}

/** Paints the picture, and everything but the window dimmed. */
export function paintStage(
  canvas: HTMLCanvasElement,
  picture: Picture,
  framing: Framing,
  round: boolean,
): void {
  const context = cleared(canvas);
  const edge = canvas.width;
  const side = edge * WINDOW_PART;
  const start = (edge - side) / 2;
  paint(context, picture, framing, side, start);
  const window = new Path2D();
  if (round) window.arc(edge / 2, edge / 2, side / 2, 0, 2 * Math.PI);
  else window.rect(start, start, side, side);
  const around = new Path2D(window);
  around.rect(0, 0, edge, edge);
  context.fillStyle = 'rgb(0 0 0 / 55%)';
  context.fill(around, 'evenodd');
  // Two lines, one of which is seen on every picture.
  for (const [width, color] of [
    [4, '#000'],
    [2, '#fff'],
  ] as const) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke(window);
  }
}

/** @param side of the window on the canvas, in px @param start where it begins, from the left and the top */
function paint(
  context: CanvasRenderingContext2D,
  { bitmap, size }: Picture,
  { rotate, x, y, side: shown }: Framing,
  side: number,
  start: number,
): void {
  const scale = side / shown;
  context.setTransform(scale, 0, 0, scale, start - x * scale, start - y * scale);
  turn(context, size, rotate);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, size.width, size.height);
  context.resetTransform();
}

function turn(context: CanvasRenderingContext2D, upright: Size, rotate: Rotation): void {
  const { width, height } = turnedSize(upright, rotate);
  context.translate(rotate === 90 || rotate === 180 ? width : 0, rotate >= 180 ? height : 0);
  context.rotate((rotate * Math.PI) / 180);
}

function cleared(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const edge = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  // Setting it clears the canvas.
  canvas.width = edge;
  canvas.height = edge;
  // eslint-disable-next-line @typescript-eslint/no-non-null-assertion -- it is null only after another context
  return canvas.getContext('2d')!;
}
