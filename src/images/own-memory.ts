/**
 * Copies a picture of sharp into memory of its own. sharp's buffers lie among everything else that it worked
 * with, and keeping one of them for long would keep malloc from giving the rest back.
 */
export function inOwnMemory(scattered: Buffer): Buffer {
  // Not from Node's pool, all of which would be kept for one small picture.
  const bytes = Buffer.allocUnsafeSlow(scattered.length);
  scattered.copy(bytes);
  return bytes;
}
