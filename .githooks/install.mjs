// npm runs this as `prepare`, so that a clone has the hooks after its first `npm ci`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const git = (...parameters) => spawnSync('git', parameters, { encoding: 'utf8' });

// An unpacked archive has no repository of its own, but may lie in somebody else's.
if (existsSync('.git') && git('config', 'core.hooksPath').status !== 0) {
  const { status, stderr, error } = git('config', 'core.hooksPath', '.githooks');
  if (status !== 0) console.error(`The pre-commit hook is not installed: ${error?.message ?? stderr.trim()}`);
}
