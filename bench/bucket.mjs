import { randomUUID } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';

const {
  TEST_S3_ENDPOINT: endpoint,
  TEST_S3_ACCESS_KEY_ID: accessKeyId,
  TEST_S3_SECRET_ACCESS_KEY: secretAccessKey,
} = process.env;

/** Whether there is a server for it; the variables are those of the tests. */
export const hasS3 = Boolean(endpoint);

/** A new bucket. */
export class Bucket {
  static async create() {
    const bucket = new Bucket(`visage-bench-${randomUUID()}`);
    await bucket.client.send(new CreateBucketCommand({ Bucket: bucket.name }));
    return bucket;
  }

  constructor(name) {
    this.name = name;
    this.client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
      // As the service does: other servers than AWS know the older checksums only.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  /** What a service needs to have its storage here. */
  get settings() {
    return {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: endpoint,
      STORAGE_S3_BUCKET: this.name,
      STORAGE_S3_ACCESS_KEY_ID: accessKeyId,
      STORAGE_S3_SECRET_ACCESS_KEY: secretAccessKey,
      STORAGE_S3_USE_PATH_STYLE: 'true',
    };
  }

  async put({ key, bytes, contentType, cacheControl }) {
    const attributes = { ContentType: contentType, CacheControl: cacheControl };
    await this.client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: bytes, ...attributes }));
  }

  async destroy() {
    const target = { Bucket: this.name };
    for await (const { Contents = [] } of paginateListObjectsV2({ client: this.client }, target)) {
      const Objects = Contents.map(({ Key }) => ({ Key }));
      if (Objects.length > 0)
        await this.client.send(new DeleteObjectsCommand({ ...target, Delete: { Objects } }));
    }
    await this.client.send(new DeleteBucketCommand(target));
    this.client.destroy();
  }
}
