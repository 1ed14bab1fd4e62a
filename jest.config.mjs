/** Jest 30 under ESM: https://jestjs.io/docs/ecmascript-modules (needs node --experimental-vm-modules). */
export default {
  // Node's, with processes to run services in.
  testEnvironment: '<rootDir>/test/host/environment.mjs',
  roots: ['<rootDir>/test'],
  testRegex: String.raw`\.spec\.ts$`,
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { [String.raw`^(\.{1,2}/.*)\.js$`]: '$1' },
  transform: {
    [String.raw`\.ts$`]: [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2023',
        },
        module: { type: 'es6' },
      },
    ],
  },
  setupFilesAfterEnv: ['<rootDir>/test/support/equal-bytes.ts'],
  // Not in the temporary folder, which is removed after the run.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  // One more than cores, since some tests wait.
  maxWorkers: 3,
  // Long enough for any machine: it only tells that a test hangs.
  testTimeout: 300_000,
};
