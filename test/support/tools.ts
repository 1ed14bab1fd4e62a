const MISSING = new Set(process.env['TEST_MISSING_TOOLS']?.split(','));

/**
 * `describe` for tests that run a program or need root: `needs('strace')('what it does', ...)`. `npm test` finds the name in the
 * file and installs the program. If it can't, it skips the tests and says so at the end.
 */
export function needs(tool: string): jest.Describe {
  return MISSING.has(tool) ? describe.skip : describe;
}
