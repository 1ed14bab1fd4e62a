declare module 'fs-native-extensions' {
  /** Takes the kernel's lock on a whole open file without waiting. @returns false where somebody else holds it */
  export function tryLock(fd: number): boolean;
}
