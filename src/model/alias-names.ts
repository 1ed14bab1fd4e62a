import { createHmac } from 'node:crypto';
import { hashEmail, spellingsOf } from './alias.js';
import { isHash } from './keys.js';
import { sha256Hex } from './sha256.js';

const KEYED_HASH = /^[0-9a-f]{64}$/;

/** Hex digits that tell the aliases of one key from those of another. */
const FINGERPRINT_DIGITS = 8;

/**
 * Maps hashes of e-mail addresses, as requests have them, to the names of aliases, as the storage has them,
 * and back. Without a key both are the same. With a key only its HMACs are hashes, and the name begins with a
 * fingerprint of the key: what was registered without it, or with another key, answers to nobody. Pure.
 */
export class AliasNames {
  private readonly fingerprint: string | undefined;

  /** @param key ALIAS_KEY */
  constructor(private readonly key: string | undefined) {
    if (key === undefined) return;
    this.fingerprint = sha256Hex(`alias key:${key}`).slice(0, FINGERPRINT_DIGITS);
  }

  /**
   * The hashes that stand for an address: MD5 and SHA-256 of its spellings, or their HMAC-SHA256 by the key.
   */
  hashEmail(email: string): string[] {
    const { key } = this;
    if (key === undefined) return hashEmail(email);
    return spellingsOf(email).map((text) => createHmac('sha256', key).update(text).digest('hex'));
  }

  /** The name of the alias for a hash. @returns undefined if such a hash can stand for nobody */
  nameOf(hash: string): string | undefined {
    if (this.fingerprint === undefined) return isHash(hash) ? hash : undefined;
    return KEYED_HASH.test(hash) ? `${this.fingerprint}-${hash}` : undefined;
  }

  /** The hash that an alias answers to. @returns undefined if it answers to none */
  hashOf(name: string): string | undefined {
    const hash = hashIn(name);
    return this.nameOf(hash) === name ? hash : undefined;
  }
}

/** The hash in the name of an alias, whether it still answers to it or not. */
export function hashIn(name: string): string {
  return name.slice(name.indexOf('-') + 1);
}
