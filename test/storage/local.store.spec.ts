import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '../../src/storage/local.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';

const path = await mkdtemp(join(tmpdir(), 'visage-local-'));
afterAll(() => rm(path, { recursive: true }));

describeObjectStore('local', () => Promise.resolve(new LocalStore({ path, lockTimeoutMs: 240_000 })));
