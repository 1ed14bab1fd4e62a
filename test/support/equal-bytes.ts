declare global {
  // @types/jest does not know it: https://jestjs.io/docs/expect#expectaddequalitytesterstesters
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace jest {
    interface Expect {
      addEqualityTesters(testers: ((a: unknown, b: unknown) => boolean | undefined)[]): void;
    }
  }
}

/** Jest compares bytes as if each were a property, which takes it seconds for some pictures. */
function areEqualBytes(a: unknown, b: unknown): boolean | undefined {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : undefined;
}

expect.addEqualityTesters([areEqualBytes]);

export {};
