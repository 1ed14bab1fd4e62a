import { SetMetadata } from '@nestjs/common';

/** The metadata that marks what anybody may call. */
export const PUBLIC = 'public';

/** Opens a route, or all routes of a controller, to callers without a key. Every other route asks for one. */
export const Public = () => SetMetadata(PUBLIC, true);
