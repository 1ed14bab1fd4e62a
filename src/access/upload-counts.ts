import rateLimit, { type RateLimitOptions, normalizeIP } from '@fastify/rate-limit';
import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Settings } from '../config/settings.js';
import { ClientAddresses } from '../http/client-addresses.js';
import { addQuota } from '../http/rate-limit-headers.js';
import { type Counted, type Quota, type Rate, RateLimited } from '../model/quota.js';
import { callerOf } from './called-by.js';

type Count = ReturnType<FastifyInstance['createRateLimit']>;

/** Whoever has one /64 has all of its addresses (RFC 6177). */
const IPV6_SUBNET = 64;

/** Limits the uploads with each credential and from each address, as this replica counts them. */
@Injectable()
export class UploadCounts {
  private readonly limits: { counted: Counted; rate: Rate; count: Count }[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly addresses: ClientAddresses,
  ) {}

  /** Sets up the counters. @param fastify before it listens */
  async follow(fastify: FastifyInstance): Promise<void> {
    await fastify.register(rateLimit, { global: false });
    const { uploadsPerCredential, uploadsPerAddress } = this.settings;
    if (uploadsPerCredential) {
      this.limit(fastify, 'credential', uploadsPerCredential, (request) => {
        const { by } = callerOf(request);
        return by && `${by.kind} ${by.name}`;
      });
    }
    if (uploadsPerAddress) {
      this.limit(fastify, 'address', uploadsPerAddress, (request) => {
        // An application sends the uploads of all its users from where it runs.
        if (callerOf(request).isApplication) return undefined;
        return normalizeIP(this.addresses.of(request.raw), IPV6_SUBNET);
      });
    }
  }

  /**
   * Counts an upload, whatever comes of it, and tells the client what is left.
   * @throws RateLimited
   */
  async add(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    for (const { counted, rate, count } of this.limits) {
      const result = await count(request);
      if (result.isAllowed) continue;
      const { remaining, ttlInSeconds: reset, isExceeded } = result;
      const quota: Quota = { counted, rate, remaining, reset };
      if (isExceeded) throw new RateLimited(quota);
      addQuota(reply, quota);
    }
  }

  /** @param keyOf what a request counts for; undefined: it does not count */
  private limit(
    fastify: FastifyInstance,
    counted: Counted,
    rate: Rate,
    keyOf: (request: FastifyRequest) => string | undefined,
  ): void {
    const options: RateLimitOptions = {
      max: rate.count,
      timeWindow: rate.seconds * 1000,
      cache: this.settings.uploadCounters,
      keyGenerator: (request) => keyOf(request) ?? '',
      allowList: (_request, key) => key === '',
    };
    this.limits.push({ counted, rate, count: fastify.createRateLimit(options) });
  }
}
