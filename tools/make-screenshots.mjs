// Makes docs/editor.png from the running service: the editor in light and dark. Needs a build, and Chromium as Debian has it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const OUT = 'docs/editor.png';
const VIEW = { width: 416, height: 840 };
const GAP = 24;

/** Somebody at the sea: drawn for this, so that no real person is shown. */
const PORTRAIT = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1600 1200">
  <defs>
    <linearGradient id="sky" x2="0" y2="1"><stop stop-color="#fde68a"/><stop offset="1" stop-color="#fb7185"/></linearGradient>
    <linearGradient id="sea" x2="0" y2="1"><stop stop-color="#0e7490"/><stop offset="1" stop-color="#164e63"/></linearGradient>
  </defs>
  <rect width="1600" height="760" fill="url(#sky)"/>
  <circle cx="1240" cy="420" r="150" fill="#fff7ed"/>
  <rect y="700" width="1600" height="500" fill="url(#sea)"/>
  <path d="M0 760q200-40 400 0t400 0 400 0 400 0" fill="none" stroke="#67e8f9" stroke-opacity=".5" stroke-width="10"/>
  <path d="M360 1200c20-240 150-330 340-330s320 90 340 330z" fill="#4338ca"/>
  <path d="M480 560c-30-260 110-360 220-360s250 100 220 360c-10 160-30 260-60 320H540c-30-60-50-160-60-320z" fill="#431407"/>
  <rect x="630" y="740" width="140" height="190" rx="70" fill="#d99a6c"/>
  <ellipse cx="700" cy="570" rx="170" ry="215" fill="#e8b088"/>
  <path d="M530 540c20-160 120-200 200-190 90 10 140 90 140 190-60-20-110-60-150-120-40 60-110 110-190 120z" fill="#431407"/>
  <circle cx="635" cy="575" r="16" fill="#1c1917"/><circle cx="765" cy="575" r="16" fill="#1c1917"/>
  <path d="M640 680q60 55 120 0" fill="none" stroke="#9f1239" stroke-width="14" stroke-linecap="round"/>
</svg>`;

const folder = mkdtempSync(join(tmpdir(), 'visage-screenshots-'));
const service = spawn(process.execPath, [resolve('dist/main.js')], {
  cwd: folder,
  env: {
    PATH: process.env.PATH,
    PORT: '0',
    SHUTDOWN_DRAIN_MS: '0',
    SIGNING_KEYS: 'only-for-the-screenshots-of-the-editor',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium-headless-shell',
  args: ['--no-sandbox'],
});
try {
  const url = await addressOf(service);
  const portrait = await sharp(Buffer.from(PORTRAIT)).jpeg({ quality: 92 }).toBuffer();
  const shots = [];
  for (const colorScheme of ['light', 'dark']) shots.push(await shoot(url, portrait, colorScheme));
  await joined(shots).toFile(OUT);
  console.log(OUT);
} finally {
  await browser.close();
  service.kill();
  await once(service, 'close');
  rmSync(folder, { recursive: true, force: true });
}

async function addressOf({ stdout }) {
  let log = '';
  for await (const chunk of stdout) {
    log += chunk;
    const [, address] = /listening at (http:[^"]+)"/.exec(log) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error(`the service has not started:\n${log}`);
}

async function shoot(url, buffer, colorScheme) {
  const answer = await fetch(`${url}/v1/avatars/ada/tickets`, { method: 'POST', body: '{}' });
  const { ticket } = await answer.json();
  const page = await browser.newPage({ viewport: VIEW, colorScheme, deviceScaleFactor: 2, locale: 'en' });
  await page.goto(`${url}/ui/edit#ticket=${ticket}`);
  const editor = page.locator('visage-avatar-upload');
  await editor
    .locator('input[type=file]')
    .first()
    .setInputFiles({ name: 'me.jpg', mimeType: 'image/jpeg', buffer });
  for (let i = 0; i < 3; i++) await editor.getByRole('button', { name: 'Zoom in' }).click();
  for (let i = 0; i < 2; i++) await editor.getByRole('button', { name: 'Move the picture right' }).click();
  await editor.getByRole('textbox').fill('Ada at the sea');
  await editor.getByRole('button', { name: 'Save' }).focus();
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  return page.screenshot();
}

function joined(shots) {
  const [width, height] = [VIEW.width * 2, VIEW.height * 2];
  const canvas = { width: 2 * width + 2 * GAP, height, channels: 4, background: '#0000' };
  return sharp({ create: canvas })
    .composite(shots.map((input, i) => ({ input, left: i * (width + 2 * GAP), top: 0 })))
    .png({ palette: true, quality: 90 });
}
