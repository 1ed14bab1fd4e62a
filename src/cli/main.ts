#!/usr/bin/env node
import { runProgram } from './program.js';

// Only this user of the machine may read what the program writes, as with the service.
process.umask(0o077);

// The AWS SDK's own switch for its notice about Node 20, which says nothing of what the command does.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

// Nobody reads on, as with `| head`: the command still has to end its work, and to remove what it wrote for
// trials.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runProgram(process.argv.slice(2), process.env).then((code) => {
  process.exitCode = code;
});
