import { request } from 'node:http';

const PER_CONNECTION = ['date', 'connection', 'keep-alive'];

/** The answers of the service that a bare server is to give again: whole, and that the client has it already. */
export async function recordAnswers() {
  const url = process.env.SOURCE;
  const whole = await answerOf(url, {});
  const { etag } = whole.headers;
  const unchanged = await answerOf(url, { 'If-None-Match': etag });
  if (whole.status !== 200 || unchanged.status !== 304) {
    throw new Error(`${url}: ${whole.status} and ${unchanged.status} instead of 200 and 304`);
  }
  return { etag, whole, unchanged };
}

function answerOf(url, headers) {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => {
        const kept = Object.entries(answer.headers).filter(([name]) => !PER_CONNECTION.includes(name));
        resolve({
          status: answer.statusCode,
          headers: Object.fromEntries(kept),
          body: Buffer.concat(chunks),
        });
      });
    })
      .on('error', reject)
      .end();
  });
}
