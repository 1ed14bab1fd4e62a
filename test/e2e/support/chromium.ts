import { type Browser, chromium } from 'playwright-core';

/** Chromium as Debian has it. */
export function openChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium-headless-shell',
    // It runs as root, and shows only what these tests made.
    args: ['--no-sandbox'],
  });
}
