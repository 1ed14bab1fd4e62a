import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { send } from '../http/support/client.js';
import { openBackend } from '../support/backend.js';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { expectSound } from './scene.js';

/** For each backend; hundreds of them are for a night. */
const KILLS = Number(process.env['CRASH_KILLS'] ?? 10);
const WRITERS = 6;
const LONGEST_LIFE_MS = 1500;

/** What one writer knows of its avatar. */
interface Avatar {
  id: string;
  /** Versions that were answered 2xx, and the colours that they have. */
  answered: Map<string, string>;
  /** What the avatar may show: after an answer one state, after a broken request the state before or the one after. */
  shown: ({ color: string } | 'nothing')[];
}
