import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ForeignPages } from '../http/foreign-pages.js';
import { RequestOrigins } from '../http/request-origins.js';
import { AccessGuard } from './access.guard.js';
import { KeyRing } from './key-ring.js';

/** Decides who may call what. Its guard holds for every route of the service. */
@Module({
  providers: [ForeignPages, KeyRing, RequestOrigins, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [KeyRing, RequestOrigins],
})
export class AccessModule {}
