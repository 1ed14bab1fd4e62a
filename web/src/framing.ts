/** A width and a height in px. */
export interface Size {
  width: number;
  height: number;
}

/** Degrees, clockwise. */
export type Rotation = 0 | 90 | 180 | 270;

/**
 * What the window shows: how the upright picture is turned, and a square of it in px of the turned picture,
 * not rounded.
 */
export interface Framing {
  rotate: Rotation;
  x: number;
  y: number;
  side: number;
}

/** A place in the window: 0 and 0 is its upper left corner, 1 and 1 its lower right one. */
export interface Place {
  x: number;
  y: number;
}

/** The smallest square that can be chosen, in px: a smaller one would be too blurred for an avatar. */
const SMALLEST = 64;

const MIDDLE: Place = { x: 0.5, y: 0.5 };

/** @param upright the dimensions of the upright picture @returns those of the turned one */
export function turnedSize({ width, height }: Size, rotate: Rotation): Size {
  return rotate % 180 === 0 ? { width, height } : { width: height, height: width };
}

/** The largest square, in the middle. */
export function fitting({ width, height }: Size): Framing {
  const side = Math.min(width, height);
  return { rotate: 0, x: (width - side) / 2, y: (height - side) / 2, side };
}

/**
 * Moves the picture below the window, as far as it goes.
 * @param right how far, in edges of the window
 * @param down the same
 */
export function moved(framing: Framing, upright: Size, right: number, down: number): Framing {
  const { x, y, side } = framing;
  return within(upright, { ...framing, x: x - right * side, y: y - down * side });
}

/**
 * Shows the picture larger or smaller.
 * @param factor above 1: larger
 * @param about the place that stays where it is
 */
export function zoomed(framing: Framing, upright: Size, factor: number, about = MIDDLE): Framing {
  const [smallest, largest] = sidesOf(upright);
  const side = clamp(framing.side / factor, smallest, largest);
  const shrunk = framing.side - side;
  const [x, y] = [framing.x + about.x * shrunk, framing.y + about.y * shrunk];
  return within(upright, { ...framing, x, y, side });
}

/** Turns the picture clockwise by a quarter. The middle of the window stays over the same point of it. */
export function turned(framing: Framing, upright: Size): Framing {
  const { rotate, x, y, side } = framing;
  const { height } = turnedSize(upright, rotate);
  return within(upright, { rotate: ((rotate + 90) % 360) as Rotation, x: height - y - side, y: x, side });
}

/** Where a framing is between the whole picture, 0, and the smallest part of it, 1. */
export function zoomOf({ side }: Framing, upright: Size): number {
  const [smallest, largest] = sidesOf(upright);
  return smallest === largest ? 0 : Math.log(largest / side) / Math.log(largest / smallest);
}

/** @param zoom from 0 to 1, as `zoomOf` gives it */
export function zoomedTo(framing: Framing, upright: Size, zoom: number): Framing {
  const [smallest, largest] = sidesOf(upright);
  const side = largest * (smallest / largest) ** clamp(zoom, 0, 1);
  return zoomed(framing, upright, framing.side / side);
}

/** How many times larger the picture is shown than at first, in percent. */
export function percentOf({ side }: Framing, { width, height }: Size): number {
  return Math.round((100 * Math.min(width, height)) / side);
}

/** @returns `x,y,width,height` in whole px of the turned picture, as the service takes it */
export function cropOf(framing: Framing, upright: Size): string {
  const { width, height } = turnedSize(upright, framing.rotate);
  const side = clamp(Math.round(framing.side), 1, Math.min(width, height));
  const x = clamp(Math.round(framing.x), 0, width - side);
  const y = clamp(Math.round(framing.y), 0, height - side);
  return [x, y, side, side].join();
}

/** The smallest and the largest square of a picture. */
function sidesOf({ width, height }: Size): [smallest: number, largest: number] {
  const largest = Math.min(width, height);
  return [Math.min(SMALLEST, largest), largest];
}

/** The window never leaves the picture. */
function within(upright: Size, framing: Framing): Framing {
  const { width, height } = turnedSize(upright, framing.rotate);
  const { x, y, side } = framing;
  return { ...framing, x: clamp(x, 0, width - side), y: clamp(y, 0, height - side) };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
