// A page that shows two hundred people, in Chromium: a request for each picture against one sheet, over HTTP/1.1 and over HTTP/2 with TLS.
// Needs Chromium, nginx and openssl as Debian installs them.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { upload } from './http.mjs';
import { startHttp2 } from './nginx-http2.mjs';
import { smallPhotos } from './population.mjs';
import { startService } from './process.mjs';
import { median, number } from './stats.mjs';
import { table } from './table.mjs';

const PEOPLE = 200;
const SIZE = 64;
const ROUNDS = 9;
const SLOW = { latency: 40, downloadThroughput: 1_250_000, uploadThroughput: 1_250_000 };
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-headless-shell'].find((path) => existsSync(path));

const folder = await mkdtemp(join(tmpdir(), 'visage-bench-page-'));
const service = await startService(folder);
const http2 = await startHttp2(service.url, join(folder, 'nginx'));
const NETWORKS = {
  'HTTP/1.1, this machine': { url: service.url },
  'HTTP/1.1, 40 ms, 10 Mbit/s': { url: service.url, conditions: SLOW },
  'HTTP/2, this machine': { url: http2.url },
  'HTTP/2, 40 ms, 10 Mbit/s': { url: http2.url, conditions: SLOW },
};
const people = Array.from({ length: PEOPLE }, () => randomUUID());
const photos = await smallPhotos();
let changes = 0;
const application = createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
  const [, name, port] = request.url.split('/');
  response.end(PAGES[name]?.(port === new URL(service.url).port ? service.url : http2.url));
}).listen(0, '127.0.0.1');
await once(application, 'listening');
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });

/** Each sets `window.shown` to a promise of the time at which the last picture could be painted, in ms. */
const PAGES = {
  pictures: (url) =>
    people
      .map((id) => `<img width=${SIZE} height=${SIZE} src="${url}/v1/avatars/${id}?size=${SIZE}">`)
      .join('') + script(`await Promise.all([...document.images].map((image) => image.decode()));`),
  sheet: (at) => {
    const url = `${at}/v1/sheets?size=${SIZE}&ids=${people.join()}`;
    return script(`
      const sheet = new Image();
      sheet.src = ${JSON.stringify(url)};
      const map = await (await fetch(${JSON.stringify(`${url}&format=json`)})).json();
      await sheet.decode();
      for (const { x, y } of map.tiles) {
        const face = document.createElement('i');
        face.style.cssText =
          'display:inline-block;width:${SIZE}px;height:${SIZE}px;background:url(${url}) -' + x + 'px -' + y + 'px';
        document.body.append(face);
      }`);
  },
};

try {
  for (const [i, id] of people.entries()) await upload(service, id, photos[i % photos.length]);
  const rows = [];
  for (const [network, way] of Object.entries(NETWORKS)) {
    const visits = { pictures: [], sheet: [] };
    for (let round = 0; round < ROUNDS; round++) {
      const names = Object.keys(visits);
      for (const name of round % 2 ? names : names.reverse()) visits[name].push(await visit(name, way));
    }
    for (const when of ['cold', 'changed']) {
      const of = (name, what) => median(visits[name].map((one) => one[when][what]));
      for (const name of ['pictures', 'sheet']) {
        rows.push([
          network,
          when === 'cold' ? 'first visit' : 'again, one of 200 changed',
          name,
          ...['requests', 'bytes', 'ms'].map((what) => number(of(name, what))),
        ]);
      }
    }
  }
  console.log(table(['network', 'visit', 'page', 'requests', 'bytes', 'ms to the last picture'], rows));
} finally {
  await browser.close();
  application.close();
  await http2.stop();
  await service.stop();
  await rm(folder, { recursive: true });
}

/** Opens a page with an empty cache, and once more after one picture has changed. */
async function visit(name, { url, conditions }) {
  const context = await browser.newContext({
    viewport: { width: 1300, height: 1200 },
    ignoreHTTPSErrors: true,
  });
  try {
    const page = await context.newPage();
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    if (conditions) await network.send('Network.emulateNetworkConditions', { offline: false, ...conditions });
    const count = { requests: 0, bytes: 0 };
    const asked = new Set();
    network.on('Network.requestWillBeSent', ({ requestId, request }) => {
      if (request.url.startsWith(url)) asked.add(requestId);
    });
    network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      if (!asked.has(requestId)) return;
      count.requests++;
      count.bytes += encodedDataLength;
    });
    const open = async () => {
      Object.assign(count, { requests: 0, bytes: 0 });
      await page.goto(`http://127.0.0.1:${application.address().port}/${name}/${new URL(url).port}`);
      const ms = await page.evaluate('window.shown');
      return { ms, ...count };
    };
    const cold = await open();
    await changeOne();
    return { cold, changed: await open() };
  } finally {
    await context.close();
  }
}

/** Gives the next one of the people another picture. */
async function changeOne() {
  const i = changes++ % PEOPLE;
  await upload(service, people[i], photos[(i + 1) % photos.length]);
}

function script(code) {
  return `<body><script type="module">window.shown = (async () => {${code}; return performance.now(); })();</script>`;
}
