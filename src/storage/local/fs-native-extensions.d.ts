declare module 'fs-native-extensions' {
  /** Takes the kernel's lock on a whole open file without waiting. @returns false if another process or descriptor holds it */
  export function tryLock(fd: number): boolean;
}
