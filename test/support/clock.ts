/**
 * The environment for a child process whose Date stands still.
 *
 * An S3 server refuses requests that are signed more than 15 minutes before or after its own time.
 * @param ms since 1970
 */
export function clockAt(ms: number): Record<string, string> {
  return {
    TEST_CLOCK_MS: String(ms),
    NODE_OPTIONS: `--import ${new URL('standing-clock.mjs', import.meta.url).href}`,
  };
}
