// What the service is measured against: Fastify, one route, the same bytes and headers from memory.
import { request } from 'node:http';
import fastify from 'fastify';

const { headers, body } = await fetchOnce(process.env.SOURCE);
const app = fastify();
app.get('/picture', (_request, reply) => reply.headers(headers).send(body));
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening at http://127.0.0.1:${app.server.address().port}`);

function fetchOnce(url) {
  const perConnection = ['date', 'connection', 'keep-alive'];
  return new Promise((resolve, reject) => {
    request(url, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const kept = Object.entries(answer.headers).filter(([name]) => !perConnection.includes(name));
        resolve({ headers: Object.fromEntries(kept), body: Buffer.concat(chunks) });
      });
    })
      .on('error', reject)
      .end();
  });
}
