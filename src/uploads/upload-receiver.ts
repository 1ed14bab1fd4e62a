import type { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { FORM_OVERHEAD_BYTES } from '../config/body-bytes.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { RequestBody, assertNotEncoded, tooBusy, withDeadline } from './request-body.js';
import { LEAST_BUFFER_BYTES, SpooledUpload, tooLarge } from './spooled-upload.js';
import { receiveForm } from './upload-form.js';

/** A whole upload: where it lies, what it hashes to, and the other fields of its form. */
export interface ReceivedUpload {
  path: string;
  sha256: string;
  fields: Readonly<Record<string, unknown>>;
}

/**
 * How much of one upload may wait in memory to be written, and how much of all uploads, beyond their least.
 */
const MOST_BUFFER_BYTES = 1024 * 1024;
const SHARED_BUFFER_BYTES = 4 * MOST_BUFFER_BYTES;

/**
 * If an upload has waited for us for this part of its deadline, new ones are refused at once. Uploads share
 * what the machine can do: with more of them each takes longer, until none is in time.
 */
const HELD_UP = 0.25;

/** Receives pictures: a form with one field `file`, or the bare picture as the body. */
@Injectable()
export class UploadReceiver {
  private receiving = 0;
  private readonly arriving = new Set<RequestBody>();

  constructor(private readonly settings: Settings) {}

  /** Uploads that are arriving or being worked on now. */
  get underWay(): number {
    return this.receiving;
  }

  /**
   * Receives an upload, lets `use` work with it, and removes it afterwards whatever happens.
   * @param mostBytes of the picture; never more than AVATAR_MAX_SIZE_BYTES
   * @throws CodedError for every way in which an upload can be wrong; the request may then be unread in part
   */
  async receive<T>(
    request: IncomingMessage,
    response: ServerResponse,
    mostBytes: number,
    use: (upload: ReceivedUpload) => Promise<T>,
  ): Promise<T> {
    const { uploadSpoolPath, avatarMaxSizeBytes } = this.settings;
    const maxBytes = Math.min(mostBytes, avatarMaxSizeBytes);
    const maxBodyBytes = maxBytes + (isForm(request) ? FORM_OVERHEAD_BYTES : 0);
    assertNotEncoded(request);
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBytes);
    if (this.receiving >= this.settings.uploadConcurrency) {
      throw new CodedError('busy', 'Too many uploads are in progress. Try again shortly.');
    }
    if (this.areHeldUp()) throw tooBusy();
    this.receiving++;
    const spooled = new SpooledUpload(uploadSpoolPath, maxBytes, this.bufferBytes());
    const body = new RequestBody(request, maxBodyBytes, () => tooLarge(maxBytes));
    try {
      const fields = await this.takeIn(request, body, () =>
        isForm(request) ? receiveForm(body, response, spooled) : receiveBare(body, spooled),
      );
      return await use({ path: spooled.path, sha256: spooled.digest(), fields });
    } finally {
      this.receiving--;
      body.destroy();
      await spooled.discard();
    }
  }

  private async takeIn<T>(request: IncomingMessage, body: RequestBody, task: () => Promise<T>): Promise<T> {
    this.arriving.add(body);
    try {
      return await withDeadline(request, body, this.settings.uploadTimeoutMs, task);
    } finally {
      this.arriving.delete(body);
    }
  }

  /** Whether an upload that is arriving had to wait for us for long. */
  private areHeldUp(): boolean {
    const tooLong = HELD_UP * this.settings.uploadTimeoutMs;
    return [...this.arriving].some(({ waiting }) => waiting.forUs >= tooLong);
  }

  /** A few uploads get large buffers, which are written sooner; many share the same memory. */
  private bufferBytes(): number {
    const share = Math.floor(SHARED_BUFFER_BYTES / this.receiving);
    return Math.min(MOST_BUFFER_BYTES, Math.max(LEAST_BUFFER_BYTES, share));
  }
}

async function receiveBare(body: RequestBody, spooled: SpooledUpload): Promise<Record<string, never>> {
  if (!body.isAnnounced) {
    const detail = 'The request has no body. Send the picture as the body, or as the field "file" of a form.';
    throw new CodedError('no_file', detail);
  }
  body.start();
  await spooled.write(body);
  return {};
}

/** Whether a request says that its body is a form. */
export function isForm(request: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '');
}
