import { MemoryStore } from '../../src/storage/memory.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';

const store = new MemoryStore();
describeObjectStore('memory', () => Promise.resolve(store));
