import { type FileHandle, open } from 'node:fs/promises';

/** How much of a file is read at a time. Parsing one window is all that ever holds up the event loop. */
export const WINDOW_BYTES = 64 * 1024;

/** The bytes that a parser needs next. */
interface Span {
  position: number;
  /** The least that it needs; at most `WINDOW_BYTES`. */
  length: number;
}

/**
 * Yields the span that it needs next. It gets all bytes at hand from there on, or undefined if the file ends
 * within the span.
 */
export type Parser<T> = Generator<Span, T, Buffer | undefined>;

/**
 * A parser that does not know whether its bytes come from a file or from memory, for a file of `size` bytes.
 */
export type Parse<T> = (size: number) => Parser<T>;

/** Parses bytes that are in memory. */
export function parseBytes<T>(bytes: Buffer, parse: Parse<T>): T {
  const parser = parse(bytes.length);
  let step = parser.next();
  while (!step.done) step = parser.next(bytesFrom(bytes, step.value));
  return step.value;
}

/** Parses a file of any size, of which only one window is in memory at a time. */
export async function parseFile<T>(path: string, parse: Parse<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await parseOpened(file, (await file.stat()).size, parse);
  } finally {
    await file.close();
  }
}

/**
 * Parses a file that is open already, and leaves it open.
 * @param size of the file in bytes
 */
export async function parseOpened<T>(
  file: Pick<FileHandle, 'read'>,
  size: number,
  parse: Parse<T>,
): Promise<T> {
  const parser = parse(size);
  let [start, window] = [0, Buffer.alloc(0)];
  let step = parser.next();
  while (!step.done) {
    const { position, length } = step.value;
    let bytes = bytesFrom(window, { position: position - start, length });
    // Awaits only for a new window: a promise for each of many small blocks would take too long.
    if (!bytes && position + length <= size) {
      const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, size - position));
      const { bytesRead } = await file.read({ buffer, position });
      [start, window] = [position, buffer.subarray(0, bytesRead)];
      bytes = bytesFrom(window, { position: 0, length });
    }
    step = parser.next(bytes);
  }
  return step.value;
}

function bytesFrom(bytes: Buffer, { position, length }: Span): Buffer | undefined {
  return position < 0 || position + length > bytes.length ? undefined : bytes.subarray(position);
}
