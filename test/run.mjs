// `npm test`: every test that has to pass before a change lands. Arguments go to Jest: `npm test -- test/images`.
import { runTests } from './runner/session.mjs';

await runTests(process.argv.slice(2));
