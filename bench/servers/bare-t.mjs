// The least that takes a picture in and keeps it: spools the body to a file and hashes it, has bare sharp make the master, and
// has that and a file of facts in folders of their own before it answers. It checks nothing and knows no other process.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { bareMaster } from '../bare-master.mjs';

const folder = process.env.FOLDER;
let uploads = 0;
const T = {
  acc: {},
  last: 0,
  mark(k) {
    const n = performance.now();
    (this.acc[k] ??= []).push(n - this.last);
    this.last = n;
  },
};
process.on('SIGUSR2', () => {
  const m = (v) => [...v].sort((a, b) => a - b)[v.length >> 1];
  for (const [k, v] of Object.entries(T.acc))
    console.error(k.padEnd(20), m(v.slice(-30)).toFixed(2), v.length);
});

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
});
server.listen(0, '127.0.0.1', () => console.log(`listening at http://127.0.0.1:${server.address().port}`));

async function answer(request, response) {
  T.last = performance.now();
  const name = String(uploads++);
  const spooled = join(folder, `${name}.upload`);
  const hash = createHash('sha256');
  await pipeline(
    request,
    async function* (chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    // As much as the service lets an upload alone have: with Node's own 16 KiB it would take 3 ms longer.
    createWriteStream(spooled, { highWaterMark: 1024 * 1024 }),
  );
  T.mark('1 spooled');
  const mm = await bareMaster(spooled);
  T.mark('5 master made');
  await keep(join(folder, name, 'version', 'master.jpeg'), mm);
  T.mark('6 master stored');
  const facts = JSON.stringify({ version: name, source: hash.digest('hex') });
  await keep(join(folder, name, 'manifest.json'), facts);
  T.mark('7 facts stored');
  await rm(spooled);
  T.mark('9 removed');
  response.writeHead(201).end(facts);
}

/** Returns once a crash of the machine would leave it there. */
async function keep(path, bytes) {
  const temporary = `${path}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(temporary, 'wx');
  await file.writeFile(bytes);
  await file.sync();
  await file.close();
  await rename(temporary, path);
  const folders = [];
  for (let above = dirname(path); above.length >= folder.length; above = dirname(above)) folders.push(above);
  await Promise.all(folders.map(sync));
}

async function sync(path) {
  const opened = await open(path);
  await opened.sync();
  await opened.close();
}
