// Asks for one URL as fast as it is answered, and prints how often that was a second. By bare sockets: clients that parse each
// answer and decode its body take longer for a picture than the server, and would be all that is measured.
import { once } from 'node:events';
import { Connection } from '../http.mjs';

const { url, headers, status, connections, seconds } = JSON.parse(process.argv[2]);
const { host, pathname, search } = new URL(url);
const fields = Object.entries({ Host: host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
const request = Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\n${fields.join('')}\r\n`);
const line = `HTTP/1.1 ${status} `;
const END_OF_HEAD = '\r\n\r\n';

const opened = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
const sockets = opened.map(({ socket }) => socket);
const length = await lengthOfBody(sockets[0]);
const started = performance.now();
const counts = await Promise.all(sockets.map((socket) => askUntil(socket, started + seconds * 1000)));
const requests = counts.reduce((sum, count) => sum + count);
console.log(JSON.stringify({ requests, perSecond: (requests / (performance.now() - started)) * 1000 }));
for (const socket of sockets) socket.destroy();

/** In bytes; every answer after this one has to be as long. */
async function lengthOfBody(socket) {
  socket.write(request);
  let received = '';
  for (;;) {
    const [chunk] = await once(socket, 'data');
    received += chunk.toString('latin1');
    const end = received.indexOf(END_OF_HEAD) + END_OF_HEAD.length;
    if (end < END_OF_HEAD.length) continue;
    const body =
      status === 304 ? 0 : Number(/\r\ncontent-length: (\d+)\r\n/i.exec(received.slice(0, end))[1]);
    if (received.length === end + body) return body;
  }
}

function askUntil(socket, end) {
  return new Promise((resolve, reject) => {
    let [answers, missing] = [0, 0];
    socket.on('close', () =>
      reject(new Error(`${url}: closed, or answered otherwise than ${status} and ${length} bytes`)),
    );
    socket.on('data', (chunk) => {
      // The head comes in one piece, as servers of one picture send it.
      if (missing === 0) {
        if (chunk.latin1Slice(0, line.length) !== line) return socket.destroy();
        missing = chunk.indexOf(END_OF_HEAD) + END_OF_HEAD.length + length;
      }
      missing -= chunk.length;
      if (missing > 0) return undefined;
      if (missing < 0) return socket.destroy();
      answers++;
      return performance.now() < end ? socket.write(request) : resolve(answers);
    });
    socket.write(request);
  });
}
