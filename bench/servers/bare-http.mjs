// The same without any framework: the most that Node gives.
import { createServer } from 'node:http';
import { recordAnswers } from './recorded.mjs';

const { etag, whole, unchanged } = await recordAnswers();
const [headersOf200, headersOf304] = [whole, unchanged].map(({ headers }) => Object.entries(headers).flat());
const server = createServer((request, response) => {
  if (request.headers['if-none-match'] === etag) response.writeHead(304, headersOf304).end();
  else response.writeHead(200, headersOf200).end(whole.body);
});
server.listen(0, '127.0.0.1', () => console.log(`listening at http://127.0.0.1:${server.address().port}`));
