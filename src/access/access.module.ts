import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ClientAddresses } from '../http/client-addresses.js';
import { ForeignPages } from '../http/foreign-pages.js';
import { RequestOrigins } from '../http/request-origins.js';
import { AccessGuard } from './access.guard.js';
import { KeyRing } from './key-ring.js';
import { Tickets } from './tickets.js';
import { Tokens } from './tokens.js';
import { UploadCounts } from './upload-counts.js';

/** Decides who may call what. Its guard holds for every route of the service. */
@Module({
  providers: [
    ClientAddresses,
    ForeignPages,
    KeyRing,
    RequestOrigins,
    Tickets,
    Tokens,
    UploadCounts,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [ClientAddresses, KeyRing, RequestOrigins, Tickets, Tokens, UploadCounts],
})
export class AccessModule {}
