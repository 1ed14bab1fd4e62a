import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type ApiKey, readApiKeys } from '../config/api-keys.js';
import { Settings } from '../config/settings.js';
import { Caller } from './caller.js';

interface Known {
  key: ApiKey;
  sum: Buffer;
  caller: Caller;
  uses: number;
}

/** The keys of API_KEYS, and how often each was used. */
@Injectable()
export class KeyRing {
  private readonly known: readonly Known[];

  constructor({ apiKeys }: Settings) {
    this.known = readApiKeys(apiKeys).map((key) => {
      const caller = Caller.withKey(key.name, key);
      return { key, sum: Buffer.from(key.sum, 'hex'), caller, uses: 0 };
    });
  }

  get isEmpty(): boolean {
    return this.known.length === 0;
  }

  /** Requests with each key since the start, by its name. */
  get uses(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.known.map(({ key, uses }) => [key.name, uses]));
  }

  /**
   * Who has a key, in a time that does not depend on which of the keys it is.
   * @param key as it was sent
   * @returns undefined if nobody has it
   */
  callerWith(key: string): Caller | undefined {
    const sum = createHash('sha256').update(key).digest();
    const [found] = this.known.filter((one) => timingSafeEqual(one.sum, sum));
    if (found) found.uses++;
    return found?.caller;
  }
}
