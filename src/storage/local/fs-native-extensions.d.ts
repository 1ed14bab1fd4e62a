declare module 'fs-native-extensions' {
  /**
   * Takes the kernel's lock on a whole open file without waiting.
   * @returns false if another process or descriptor holds it
   */
  export function tryLock(fd: number): boolean;
  /** @returns the value of an extended attribute of an open file; null if it has none of that name */
  export function getAttr(fd: number, name: string): Promise<Buffer | null>;
  /** Sets an extended attribute of an open file. */
  export function setAttr(fd: number, name: string, value: Buffer): Promise<void>;
}
