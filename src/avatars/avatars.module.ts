import { Module } from '@nestjs/common';
import { ImagesModule } from '../images/images.module.js';
import { OutboxModule } from '../outbox/outbox.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { AdoptionMarker } from './adoption-marker.js';
import { Adoption } from './adoption.js';
import { AliasBatches } from './alias-batches.js';
import { AliasChanges } from './alias-changes.js';
import { AliasPointers } from './alias-pointers.js';
import { Aliases } from './aliases.js';
import { AvatarChanges } from './avatar.changes.js';
import { AvatarErasure } from './avatar.erasure.js';
import { AvatarEvents } from './avatar.events.js';
import { AvatarLocks } from './avatar-locks.js';
import { AvatarObjects } from './avatar.objects.js';
import { AvatarRepository } from './avatar.repository.js';
import { AvatarsService } from './avatars.service.js';
import { Lookup } from './lookup.js';
import { ManifestSwap } from './manifest-swap.js';
import { OutboxReplay } from './outbox-replay.js';
import { PENDING_CHANGES, PendingChanges } from './pending-changes.js';
import { VersionErasure } from './version.erasure.js';

/** The module of the outbox of pending changes. Nest takes it for the same one wherever it is imported. */
export const OUTBOX = OutboxModule.holding(PENDING_CHANGES);

/**
 * Avatars and their changes. Knows nothing of HTTP, so that the program `visage` uses it as the service does.
 */
@Module({
  imports: [StorageModule, ImagesModule, OUTBOX],
  providers: [
    Adoption,
    AdoptionMarker,
    AliasBatches,
    AliasChanges,
    AliasPointers,
    Aliases,
    AvatarChanges,
    AvatarErasure,
    AvatarEvents,
    AvatarLocks,
    AvatarObjects,
    AvatarRepository,
    AvatarsService,
    Lookup,
    ManifestSwap,
    OutboxReplay,
    PendingChanges,
    VersionErasure,
  ],
  exports: [
    Adoption,
    AdoptionMarker,
    AliasBatches,
    AliasChanges,
    Aliases,
    AvatarErasure,
    AvatarEvents,
    AvatarLocks,
    AvatarObjects,
    AvatarRepository,
    AvatarsService,
    Lookup,
    PendingChanges,
    VersionErasure,
  ],
})
export class AvatarsModule {}
