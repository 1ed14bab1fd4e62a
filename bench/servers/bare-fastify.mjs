// What the service is measured against: Fastify, one route, the same bytes and headers from memory.
import fastify from 'fastify';
import { recordAnswers } from './recorded.mjs';

const { etag, whole, unchanged } = await recordAnswers();
const app = fastify();
app.get('/picture', (request, reply) => {
  if (request.headers['if-none-match'] === etag) reply.status(304).headers(unchanged.headers).send();
  else reply.headers(whole.headers).send(whole.body);
});
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`listening at http://127.0.0.1:${app.server.address().port}`);
