const MISSING = new Set(process.env['TEST_MISSING_TOOLS']?.split(','));

/**
 * `describe` for tests that run a program, or have to be root: `needs('strace')('what it does', ...)`. `npm test` reads the name
 * off the file and installs what has it; where that can't be, the tests are skipped and told in the closing lines.
 */
export function needs(tool: string): jest.Describe {
  return MISSING.has(tool) ? describe.skip : describe;
}
