import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { clientOf } from './client.mjs';

const PATIENCE_MS = 120_000;
const PAUSE_MS = 100;

/**
 * Waits until a server has taken a bucket and an object. Some answer long before they can.
 * @param {{ hasEnded: () => boolean | Promise<boolean>, output: () => string | Promise<string> }} server
 * @param {Record<string, string>} environment TEST_S3_*
 * @throws {Error} if it ends, or takes nothing in two minutes
 */
export async function untilItTakesWrites(server, environment) {
  const client = clientOf(environment, { maxAttempts: 1 });
  const giveUp = performance.now() + PATIENCE_MS;
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await writeAndRemove(client, `visage-ready-${attempt}`);
        return;
      } catch (error) {
        const [ended, late] = [await server.hasEnded(), performance.now() > giveUp];
        if (ended || late) {
          const what = ended
            ? 'the server ended'
            : `the server takes no writes (${error.name}: ${error.message})`;
          throw new Error(`${what}:\n${await server.output()}`, { cause: error });
        }
        await sleep(PAUSE_MS);
      }
    }
  } finally {
    client.destroy();
  }
}

async function writeAndRemove(client, Bucket) {
  const object = { Bucket, Key: 'ready' };
  await client.send(new CreateBucketCommand({ Bucket }));
  await client.send(new PutObjectCommand({ ...object, Body: 'ready' }));
  await client.send(new DeleteObjectCommand(object));
  await client.send(new DeleteBucketCommand({ Bucket }));
}
