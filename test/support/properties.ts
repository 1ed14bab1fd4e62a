import fc from 'fast-check';
import { SEED } from './programme.js';

fc.configureGlobal({ seed: SEED });

/** fast-check with the seed of the programme. A module of its own, since it takes long to load, and most tests don't need it. */
export { fc };
