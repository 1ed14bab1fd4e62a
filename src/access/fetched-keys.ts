import { Logger } from '@nestjs/common';
import { type CryptoKey, type LocalJWKSet, errors } from 'jose';
import type { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { type KeySetSource, fetchKeySet } from './fetch-key-set.js';

type Source = KeySetSource & Pick<Settings, 'jwksRefreshMs' | 'jwksCooldownMs' | 'jwksMaxAgeMs'>;

/**
 * The public keys of an identity provider as they were last fetched. They are fetched regularly, and when a
 * token names a key that is not among them, but at most once within a cool-down, also after failures. While
 * the provider is away, the last ones count for a bounded time.
 */
export class FetchedKeys {
  private readonly logger = new Logger(FetchedKeys.name);
  private keys: LocalJWKSet | undefined;
  private keysAt = performance.now();
  private triedAt = -Infinity;
  private pending: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Whether the last fetch has failed, and whether the keys were too old by then. */
  private state: 'fetched' | 'failed' | 'expired' = 'fetched';
  private faults = '';
  private stopped = false;

  constructor(private readonly source: Source) {}

  /** Begins to fetch them. */
  start(): void {
    void this.refresh();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** How long ago they were last fetched; if they never were, since when they are needed. */
  get ageMs(): number {
    return performance.now() - this.keysAt;
  }

  /**
   * The key of a token.
   * @throws CodedError `issuer_unavailable` if only the provider could say; what jose throws if it has said
   * that there is none
   */
  readonly keyOf = async (...token: Parameters<LocalJWKSet>): Promise<CryptoKey> => {
    try {
      const key = await this.usable?.(...token);
      if (key) return key;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await (this.pending ?? (this.restMs > 0 ? undefined : this.refresh()));
    if (this.usable && this.state === 'fetched') return this.usable(...token);
    throw new CodedError(
      'issuer_unavailable',
      'The identity provider does not answer, so nobody knows whether it made this token. Try again shortly.',
      { logged: true, retryAfter: Math.max(1, Math.ceil(this.restMs / 1000)) },
    );
  };

  private get usable(): LocalJWKSet | undefined {
    return this.ageMs < this.source.jwksMaxAgeMs ? this.keys : undefined;
  }

  /** Until they may be fetched again. */
  private get restMs(): number {
    return this.triedAt + this.source.jwksCooldownMs - performance.now();
  }

  private refresh(): Promise<void> {
    clearTimeout(this.timer);
    this.triedAt = performance.now();
    this.pending = this.fetch().finally(() => {
      this.pending = undefined;
      if (this.stopped) return;
      const { jwksRefreshMs, jwksCooldownMs } = this.source;
      const waitMs = this.state === 'fetched' ? jwksRefreshMs : jwksCooldownMs;
      this.timer = setTimeout(() => void this.refresh(), waitMs).unref();
    });
    return this.pending;
  }

  private async fetch(): Promise<void> {
    const begun = performance.now();
    try {
      const { keyOf, faults } = await fetchKeySet(this.source);
      this.keys = keyOf;
      this.report(faults.join('; '));
    } catch (error) {
      this.failed((error as Error).message);
      return;
    }
    this.keysAt = begun;
    if (this.state !== 'fetched') this.logger.log('the keys of the identity provider were fetched again');
    this.state = 'fetched';
  }

  private report(faults: string): void {
    if (faults === this.faults) return;
    this.faults = faults;
    if (faults !== '') this.logger.warn(`keys of the identity provider cannot be used: ${faults}`);
  }

  /** Logs what changes: a provider may be away for long. */
  private failed(fault: string): void {
    const state = this.usable ? 'failed' : 'expired';
    if (state === this.state) return;
    this.state = state;
    const again = `Visage tries again every ${this.source.jwksCooldownMs / 1000} s.`;
    if (state === 'failed') {
      const restSeconds = Math.round((this.source.jwksMaxAgeMs - this.ageMs) / 1000);
      this.logger.warn(
        `${fault}: the keys that were fetched last count for ${restSeconds} s more, and tokens with other keys are 503 issuer_unavailable. ${again}`,
      );
    } else {
      this.logger.error(`${fault}: tokens are 503 issuer_unavailable until it answers. ${again}`);
    }
  }
}
